//! [`Directive`]: a row of the table of all directives, and the look-up in it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::directives;
use super::draft::Draft;
use super::statement::{Complaint, Statement};
use crate::algorithm::Role;

/// What a directive is, and what becomes of it.
pub(crate) struct Directive {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its arguments as a manual writes them, which also gives their number: `NETWORK NETMASK [nopool]`.
    pub(crate) arguments: &'static str,
    /// Where it may stand.
    pub(crate) places: Places,
    /// The only role that may have it.
    pub(crate) role: Option<Role>,
    /// The role that may have it and for which it changes nothing.
    pub(crate) idle_at: Option<Role>,
    /// Whether it may be an inline block.
    pub(crate) inline: bool,
    /// Whether several of it add up; otherwise the last one counts.
    pub(crate) repeats: bool,
    /// OpenVPN does not have it either, so that `setenv opt` passes over it.
    pub(crate) foreign: bool,
    /// Whether its arguments are right, where it has no effect by which that would be seen.
    pub(crate) check: Option<Check>,
    /// What becomes of it.
    pub(crate) class: Class,
}

/// What becomes of a directive.
pub(crate) enum Class {
    /// It takes effect, by this function.
    Effective(Apply),
    /// `config`: the statements of another file stand in its place.
    Include,
    /// `<connection>`: a block of statements.
    Connection,
    /// It may stand there and changes nothing, for this reason.
    NoEffect(&'static str),
    /// It is no setting but a task of its own, on the command line alone: this one.
    Task(&'static str),
    /// It may not stand there, for this reason; or this is what to write instead.
    Refused(&'static str),
}

/// The arguments of a directive that is refused whatever they are.
pub(crate) const UNKNOWN_ARGUMENTS: &str = "[ARGUMENT...]";

/// Takes a statement, whose number of arguments is right, into the draft.
pub(crate) type Apply = fn(&mut Draft, &Statement) -> Result<(), Complaint>;

/// Where a directive may stand: a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places(u8);

impl Places {
    /// A configuration file, or the command line.
    pub(crate) const FILE: Self = Self(1);
    /// A `<connection>` block.
    pub(crate) const CONNECTION: Self = Self(2);
    /// A client's file in `client-config-dir`, or what `client-connect` writes.
    pub(crate) const CLIENT: Self = Self(4);
    /// What a server pushes.
    pub(crate) const PUSH: Self = Self(8);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn contains(self, place: Self) -> bool {
        self.0 & place.0 == place.0
    }
}

/// Whether a statement, whose number of arguments is right, is one that OpenVPN would take.
pub(crate) type Check = fn(&Statement) -> Result<(), Complaint>;

impl Directive {
    pub(crate) const fn new(name: &'static str, arguments: &'static str, apply: Apply) -> Self {
        Self::of(name, arguments, Class::Effective(apply))
    }

    pub(crate) const fn of(name: &'static str, arguments: &'static str, class: Class) -> Self {
        Self {
            name,
            arguments,
            places: Places::FILE,
            role: None,
            idle_at: None,
            inline: false,
            repeats: false,
            foreign: false,
            check: None,
            class,
        }
    }

    /// It changes nothing, for this reason.
    pub(crate) const fn no_effect(name: &'static str, arguments: &'static str, reason: &'static str) -> Self {
        Self::of(name, arguments, Class::NoEffect(reason))
    }

    /// It may stand there too.
    pub(crate) const fn also(self, places: Places) -> Self {
        Self { places: self.places.and(places), ..self }
    }

    /// It may stand there, and nowhere else.
    pub(crate) const fn nowhere_but(self, places: Places) -> Self {
        Self { places, ..self }
    }

    /// Only this role may have it.
    pub(crate) const fn only(self, role: Role) -> Self {
        Self { role: Some(role), ..self }
    }

    /// This role may have it, but nothing changes.
    pub(crate) const fn idle_at(self, role: Role) -> Self {
        Self { idle_at: Some(role), ..self }
    }

    /// It may be an inline block.
    pub(crate) const fn inline(self) -> Self {
        Self { inline: true, ..self }
    }

    /// Several of it add up.
    pub(crate) const fn repeats(self) -> Self {
        Self { repeats: true, ..self }
    }

    /// OpenVPN does not have it.
    pub(crate) const fn foreign(self) -> Self {
        Self { foreign: true, ..self }
    }

    /// What its arguments must be, though it has no effect.
    pub(crate) const fn checked(self, check: Check) -> Self {
        Self { check: Some(check), ..self }
    }

    /// The row of that name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        Self::all().find(|directive| directive.name == name)
    }

    /// The whole table.
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        directives::ALL.iter().flat_map(|part| part.iter())
    }

    /// Whether it takes one argument, which is what OpenVPN takes a block for; as far as we know its arguments.
    pub(crate) fn takes_one(&self) -> bool {
        let words = || self.arguments.split_whitespace();
        self.arguments != UNKNOWN_ARGUMENTS
            && words().filter(|word| !word.starts_with('[')).count() <= 1
            && words().next().is_some()
    }

    /// Whether the statement has as many arguments as it should, and a block only where one may be.
    pub(crate) fn check_shape(&self, statement: &Statement) -> Result<(), Complaint> {
        if statement.is_block() {
            return if self.inline {
                Ok(())
            } else {
                Err(statement.complain(
                    0,
                    format!("cannot be a block; it is written: {} {}", self.name, self.arguments),
                ))
            };
        }
        let required = self.arguments.split_whitespace().filter(|word| !word.starts_with('[')).count();
        let most = if self.arguments.contains("...") {
            usize::MAX
        } else {
            self.arguments.split_whitespace().count()
        };
        let given = statement.words().len() - 1;
        let written = format!("{} {}", self.name, self.arguments);
        if given < required {
            Err(statement
                .complain(0, format!("an argument is missing; it is written: {}", written.trim_end())))
        } else if given > most {
            let surplus = statement.word(most + 1).unwrap_or_default();
            Err(statement.complain(
                most + 1,
                format!("'{surplus}' is too much; it is written: {}", written.trim_end()),
            ))
        } else {
            Ok(())
        }
    }
}

/// The sentence about a name that is not in the table.
pub(crate) fn unrecognized(name: &str) -> String {
    match nearest(name) {
        Some(nearest) => format!("unrecognized option '{name}': did you mean '{nearest}'?"),
        None => format!("unrecognized option '{name}'"),
    }
}

/// The name in the table that is most like this one, if any is like it.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    Directive::all()
        .map(|directive| (distance(name, directive.name), directive.name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, nearest)| nearest)
}

/// How many characters to insert, delete or replace to make `a` into `b` (Levenshtein).
pub fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b.chars()) {
            left = (diagonal + usize::from(from != to)).min(left + 1).min(*cell + 1);
            diagonal = core::mem::replace(cell, left);
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_stand_once() {
        let mut names = BTreeSet::new();
        for directive in Directive::all() {
            assert!(names.insert(directive.name), "{} stands twice", directive.name);
        }
    }

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "abc", 3), ("verb", "verb", 0), ("verrb", "verb", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn suggestions() {
        assert_eq!(unrecognized("verrb"), "unrecognized option 'verrb': did you mean 'verb'?");
        assert_eq!(
            unrecognized("remote_cert_tls"),
            "unrecognized option 'remote_cert_tls': did you mean 'remote-cert-tls'?"
        );
        assert_eq!(unrecognized("frobnicate"), "unrecognized option 'frobnicate'");
    }
}

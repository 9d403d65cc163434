//! The table of all directives for readers: what each is for, where it may stand, what becomes of it.
//!
//! Help texts, manuals and forms are made from it.

use super::directive::{Class, Directive, Places, nearest};
use super::directives::help::{GROUPS, Group};
use crate::algorithm::Role;

/// Directives on one subject, in the order in which a manual has them.
pub struct DirectiveGroup(&'static Group);

/// A directive, as a manual describes it.
pub struct DirectiveInfo {
    row: &'static Directive,
    help: &'static str,
}

/// What becomes of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectiveClass {
    /// It takes effect.
    Effective,
    /// It may stand there and changes nothing, for this reason.
    NoEffect(&'static str),
    /// It is no setting but a task of the command line.
    Task,
    /// It is an error, for this reason; or this is what to write instead.
    Refused(&'static str),
    /// It comes from a server and stands in no configuration.
    Pushed,
}

/// Where a directive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A configuration file, or with `--` before it the command line.
    File,
    /// A `<connection>` block.
    Connection,
    /// A client's file in `client-config-dir`, and what `client-connect` writes.
    ClientFile,
    /// What a server pushes.
    Push,
}

impl DirectiveGroup {
    /// All groups; each directive is in one of them.
    pub fn all() -> impl Iterator<Item = Self> {
        GROUPS.iter().map(Self)
    }

    /// Its subject.
    pub fn title(&self) -> &'static str {
        self.0.title
    }

    /// Its directives.
    pub fn directives(&self) -> impl Iterator<Item = DirectiveInfo> + use<> {
        self.0
            .lines
            .iter()
            .filter_map(|&(name, help)| Some(DirectiveInfo { row: Directive::find(name)?, help }))
    }
}

impl DirectiveInfo {
    /// The directive of that name.
    pub fn find(name: &str) -> Option<Self> {
        DirectiveGroup::all().flat_map(|group| group.directives()).find(|directive| directive.name() == name)
    }

    /// The name that is most like this one, if any is like it.
    pub fn nearest(name: &str) -> Option<&'static str> {
        nearest(name)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.row.name
    }

    /// Its arguments: in brackets what may be left away, with bars what is to be chosen from.
    pub fn arguments(&self) -> &'static str {
        self.row.arguments
    }

    /// What it is for, in one line without a full stop.
    pub fn help(&self) -> &'static str {
        self.help
    }

    /// What becomes of it.
    pub fn class(&self) -> DirectiveClass {
        match self.row.class {
            _ if !self.may_stand(Place::File)
                && !self.may_stand(Place::Connection)
                && !self.may_stand(Place::ClientFile) =>
            {
                DirectiveClass::Pushed
            }
            Class::Effective(_) | Class::Include | Class::Connection => DirectiveClass::Effective,
            Class::NoEffect(reason) => DirectiveClass::NoEffect(reason),
            Class::Task(_) => DirectiveClass::Task,
            Class::Refused(reason) => DirectiveClass::Refused(reason),
        }
    }

    /// Whether it may stand there.
    pub fn may_stand(&self, place: Place) -> bool {
        self.row.places.contains(match place {
            Place::File => Places::FILE,
            Place::Connection => Places::CONNECTION,
            Place::ClientFile => Places::CLIENT,
            Place::Push => Places::PUSH,
        })
    }

    /// Whether it may be an inline block: `<ca>` to `</ca>`.
    pub fn may_be_block(&self) -> bool {
        self.row.inline
    }

    /// Whether several of it add up. Of others the last one counts.
    pub fn adds_up(&self) -> bool {
        self.row.repeats
    }

    /// The only role that may have it.
    pub fn role(&self) -> Option<Role> {
        self.row.role
    }

    /// The role that may have it and for which it changes nothing.
    pub fn idle_at(&self) -> Option<Role> {
        self.row.idle_at
    }
}

impl core::fmt::Debug for DirectiveInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DirectiveInfo").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for DirectiveGroup {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DirectiveGroup").field("title", &self.title()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

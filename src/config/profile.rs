//! [`Profile`]: a configuration file, or the words of a command line, as typed settings.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::client::ClientConfig;
use super::diagnostic::{Diagnostic, Position, Severity};
use super::directive::{Class, Directive, Places, unrecognized};
use super::draft::Draft;
use super::files::Files;
use super::finish::finish;
use super::host::HostConfig;
use super::lexer::{MAX_WORDS, Word};
use super::outline::Outline;
use super::server::ServerConfig;
use super::statement::{self, Complaint, Statement};

/// Where words of a command line are said to stand.
const COMMAND_LINE: &str = "[CMD-LINE]";

/// How deep `config` may nest, as in OpenVPN.
const MAX_DEPTH: usize = 10;

/// A whole configuration: the engine's part and the host's.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The engine's part, by role.
    pub role: RoleConfig,
    /// The host's part.
    pub host: HostConfig,
}

/// The engine's part of a [`Profile`].
#[derive(Clone, Debug)]
pub enum RoleConfig {
    /// `client`
    Client(ClientConfig),
    /// `server`
    Server(ServerConfig),
}

/// What became of a text.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The settings; none if there is an error among the findings.
    pub profile: Option<Profile>,
    /// Every finding, in the order in which a reader meets them; those about the whole come last.
    pub diagnostics: Vec<Diagnostic>,
    /// What it was made of.
    pub outline: Outline,
    /// The settings in spite of an error, as far as there are any: there may be more to be found in them.
    pub(crate) rejected: Option<Profile>,
}

impl Profile {
    /// Parses the text of a configuration file that is called `name`. Files that it names are read by `files`.
    pub fn parse(name: &str, text: &[u8], files: &mut dyn Files) -> Parsed {
        let mut reader = Reader::new(files);
        reader.draft.config = Some(name.into());
        reader.text(&name.into(), text);
        reader.finish(name)
    }

    /// Parses the words of a command line, without the program's name: `FILE`, or `--directive ARGUMENT...` as often
    /// as there are any, `--config FILE` among them.
    pub fn from_args(args: &[impl AsRef<str>], files: &mut dyn Files) -> Parsed {
        let mut reader = Reader::new(files);
        let name = reader.args(args);
        reader.finish(&name)
    }
}

struct Reader<'a> {
    draft: Draft,
    files: &'a mut dyn Files,
    /// How many `config`s enclose the present statement.
    depth: usize,
    /// A `config` could not be read.
    incomplete: bool,
}

impl<'a> Reader<'a> {
    fn new(files: &'a mut dyn Files) -> Self {
        Self { draft: Draft::new(), files, depth: 0, incomplete: false }
    }

    fn text(&mut self, name: &Arc<str>, text: &[u8]) {
        for statement in statement::read(name, text) {
            match statement {
                Ok(statement) => self.statement(&statement),
                Err(diagnostic) => self.draft.diagnostics.push(diagnostic),
            }
        }
    }

    /// Gives back what the configuration may be called: its first file.
    fn args(&mut self, args: &[impl AsRef<str>]) -> String {
        let file: Arc<str> = COMMAND_LINE.into();
        if let [only] = args
            && !only.as_ref().starts_with("--")
        {
            let words = ["--config", only.as_ref()].map(|text| Word { text: text.into(), column: 1 });
            return self.arg_statements(&file, words.into());
        }
        let mut column = 1;
        let words = args.iter().map(|arg| {
            let word = Word { text: arg.as_ref().into(), column };
            column += word.text.chars().count() as u32 + 1;
            word
        });
        self.arg_statements(&file, words.collect())
    }

    fn arg_statements(&mut self, file: &Arc<str>, words: Vec<Word>) -> String {
        let mut name = String::from(COMMAND_LINE);
        for option in words.chunk_by(|_, next| !next.text.starts_with("--")) {
            // What stands behind the last argument that there may be would have to be an option.
            if let Some(word) = option.get(MAX_WORDS) {
                let position = Position::new(Arc::clone(file), 1, word.column);
                let message = format!(
                    "'{}' is not an option: an option has at most {} arguments",
                    word.text,
                    MAX_WORDS - 1
                );
                self.draft.diagnostics.push(Diagnostic::error(&position, message));
            }
            let Some(statement) = Statement::of_words(file, 1, option.to_vec()) else { continue };
            match option.first() {
                Some(word) if !word.text.starts_with("--") => {
                    let message = format!("'{}' is not an option: options begin with --", word.text);
                    self.draft.diagnostics.push(Diagnostic::error(&statement.position(0), message));
                    continue;
                }
                _ => self.statement(&statement),
            }
            if statement.name() == "config" && name == COMMAND_LINE {
                name = statement.word(1).unwrap_or(COMMAND_LINE).into();
            }
        }
        name
    }

    fn statement(&mut self, statement: &Statement) {
        match statement.words()[..] {
            ["ignore-unknown-option", ref names @ ..]
            | ["setenv", "opt", "ignore-unknown-option", ref names @ ..]
                if !names.is_empty() =>
            {
                let name = |name: &&str| name.strip_prefix("--").unwrap_or(name).into();
                self.draft.ignored_names.extend(names.iter().map(name));
            }
            // What follows may be unknown.
            ["setenv", "opt", ..] => {
                if let Some(optional) = statement.behind(2) {
                    self.known_or(&optional, Severity::Warning);
                }
            }
            [name, ..] => {
                let ignored = self.draft.forward_compatible
                    || self.draft.ignored_names.iter().any(|ignored| ignored == name);
                self.known_or(statement, if ignored { Severity::Warning } else { Severity::Error });
            }
            [] => {}
        }
    }

    /// Takes a statement in; that its name is unknown, or has other arguments, is a finding of this severity.
    fn known_or(&mut self, statement: &Statement, unknown: Severity) {
        let place = if self.draft.in_connection { Places::CONNECTION } else { Places::FILE };
        let Some(directive) = Directive::find(statement.name()) else {
            let message = unrecognized(statement.name());
            let position = statement.position(0);
            self.draft.diagnostics.push(Diagnostic::new(unknown, &position, message));
            return;
        };
        if directive.foreign && unknown < Severity::Error {
            let message = format!("{}: OpenVPN does not have this, and neither has adit", directive.name);
            self.draft.diagnostics.push(Diagnostic::new(unknown, &statement.position(0), message));
            return;
        }
        let applied = if let Err(Complaint { word, clause }) = directive.check_shape(statement) {
            let message = format!("{}: {clause}", directive.name);
            let severity =
                if statement.is_block() && directive.takes_one() { Severity::Error } else { unknown };
            self.draft.diagnostics.push(Diagnostic::new(severity, &statement.position(word), message));
            return;
        } else if directive.places.contains(place) {
            self.apply(directive, statement)
        } else {
            Err(misplaced(directive, statement, place))
        };
        if let Err(Complaint { word, clause }) = applied {
            let message = format!("{}: {clause}", directive.name);
            self.draft.diagnostics.push(Diagnostic::error(&statement.position(word), message));
        }
    }

    fn apply(&mut self, directive: &'static Directive, statement: &Statement) -> Result<(), Complaint> {
        match directive.class {
            Class::Refused(reason) => return Err(statement.complain(0, reason)),
            Class::Task(task) => {
                let clause = format!("this {task}, and is no setting: it stands alone on the command line");
                return Err(statement.complain(0, clause));
            }
            _ => {}
        }
        if let Some(check) = directive.check {
            check(statement)?;
        }
        self.note(directive, statement);
        match directive.class {
            Class::Effective(apply) => apply(&mut self.draft, statement),
            Class::Include => self.include(statement),
            Class::Connection => self.connection(statement),
            Class::NoEffect(reason) => {
                self.draft.warn_of(statement, 0, format!("this has no effect: {reason}"));
                Ok(())
            }
            Class::Refused(_) | Class::Task(_) => Ok(()),
        }
    }

    /// `<connection>`: its statements stand on top of those before it.
    fn connection(&mut self, statement: &Statement) -> Result<(), Complaint> {
        let Some(block) = statement.block() else {
            return Err(statement.complain(0, "this is a block: <connection> ... </connection>"));
        };
        let before = self.draft.connection.clone();
        // Keys are the block's own; if it has none, those that stand outside of it, wherever.
        let keys = &mut self.draft.connection;
        (keys.tls_auth, keys.tls_crypt, keys.key_direction) = (None, None, None);
        self.draft.in_connection = true;
        for inner in statement::read_from(&block.file, block.first_line, &block.text) {
            match inner {
                Ok(inner) => self.statement(&inner),
                Err(diagnostic) => self.draft.diagnostics.push(diagnostic),
            }
        }
        self.draft.in_connection = false;
        let connection = core::mem::replace(&mut self.draft.connection, before);
        if connection.remote.is_none() {
            return Err(statement.complain(0, "there is no 'remote' in this block: it needs exactly one"));
        }
        self.draft.connections.push(connection);
        Ok(())
    }

    /// Notes where the directive stands, and says so if it replaces an earlier one. That a command line replaces what
    /// a file says is what it is for.
    fn note(&mut self, directive: &'static Directive, statement: &Statement) {
        self.draft.outline.note(statement);
        if self.draft.in_connection {
            return;
        }
        let position = statement.position(0);
        let earlier = self.draft.saw(directive.name, statement);
        let Some(earlier) = earlier.filter(|_| !directive.repeats) else { return };
        if earlier.file == position.file {
            let clause = format!("this replaces the one on line {}", earlier.line);
            self.draft.warn_of(statement, 0, clause);
        } else if &*position.file != COMMAND_LINE {
            self.draft.warn_of(statement, 0, format!("this replaces the one at {earlier}"));
        }
    }

    fn include(&mut self, statement: &Statement) -> Result<(), Complaint> {
        if self.depth == MAX_DEPTH {
            return Err(
                statement.complain(0, format!("configurations are nested more than {MAX_DEPTH} deep"))
            );
        }
        let path = statement.get(1, |path| Ok(self.draft.path(path)))?;
        if self.draft.config.is_none() {
            self.draft.config = statement.word(1).map(Into::into);
        }
        let text = self.files.read(&path).map_err(|cause| {
            self.incomplete = true;
            statement.complain(1, format!("cannot read '{path}': {cause}"))
        })?;
        self.depth += 1;
        self.text(&path.into(), &text);
        self.depth -= 1;
        Ok(())
    }

    fn finish(mut self, name: &str) -> Parsed {
        let mut outline = core::mem::take(&mut self.draft.outline);
        outline.directory.clone_from(&self.draft.directory);
        // What is missing may stand in the file that cannot be read.
        if self.incomplete {
            return Parsed { profile: None, diagnostics: self.draft.diagnostics, outline, rejected: None };
        }
        let (profile, diagnostics) = finish(self.draft, name, self.files);
        let usable = diagnostics.iter().all(|diagnostic| diagnostic.severity < Severity::Error);
        let (profile, rejected) = if usable { (profile, None) } else { (None, profile) };
        Parsed { profile, diagnostics, outline, rejected }
    }
}

fn misplaced(directive: &Directive, statement: &Statement, place: Places) -> Complaint {
    let clause = match (&directive.class, place) {
        (Class::Refused(reason), _) => (*reason).into(),
        (_, Places::CONNECTION) => "this cannot stand in a <connection> block, but before it".into(),
        _ => format!("this cannot stand here; it is written: {} {}", directive.name, directive.arguments),
    };
    statement.complain(0, clause)
}

#[cfg(test)]
mod tests;

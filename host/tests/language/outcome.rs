//! What became of a configuration, as the log has it.

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was accepted, and these are the settings, a line each.
    Settings(Vec<String>),
    /// It was refused, with these words.
    Refused(Vec<String>),
}

/// The line before the settings.
const BEGINNING: &str = "Current Parameter Settings:";

impl Outcome {
    /// Of a log of `verb 4`: the settings end where the program says its version.
    pub(crate) fn of_log(log: &[u8]) -> Self {
        let log = String::from_utf8_lossy(log);
        let mut lines = log.split('\n').map(without_time);
        let said: Vec<&str> = lines.by_ref().take_while(|line| *line != BEGINNING).collect();
        let version = |line: &str| line.starts_with("OpenVPN 2.") || line.starts_with("adit 0.");
        let settings: Vec<_> = lines.take_while(|line| !version(line)).map(String::from).collect();
        if settings.is_empty() {
            return Self::Refused(
                said.into_iter().filter(|line| !line.is_empty()).map(String::from).collect(),
            );
        }
        Self::Settings(settings)
    }
}

/// `2026-11-28 09:15:09 us=835308 text` without what `verb 4` puts before the text.
fn without_time(line: &str) -> &str {
    let mut words = line.splitn(4, ' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(date), Some(time), Some(micro), Some(text))
            if date.len() == 10 && time.len() == 8 && micro.starts_with("us=") =>
        {
            text
        }
        (Some(date), Some(time), ..) if date.len() == 10 && time.len() == 8 && date.starts_with("20") => {
            line.get(20..).unwrap_or_default()
        }
        _ => line,
    }
}

//! Where two outcomes part.

use core::fmt;

use crate::outcome::Outcome;

/// A difference between stock OpenVPN and adit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// OpenVPN stops with these words, adit goes on.
    OnlyStockRefuses(Vec<String>),
    /// adit stops with these findings, OpenVPN goes on.
    OnlyAditRefuses(Vec<String>),
    /// Both print this setting, with other values.
    Value { key: String, stock: String, adit: String },
    /// One has a line that the other has not.
    Line { key: String, stock: Option<String>, adit: Option<String> },
}

impl Difference {
    /// What must stay the same while the case is made smaller.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::OnlyStockRefuses(said) => {
                let said = said
                    .iter()
                    .rfind(|line| !line.starts_with("Use --help") && !line.starts_with("Exiting due"));
                // Without the place, which changes as lines go.
                let words = said.map_or("", |line| line.as_str()).split(' ');
                let words: Vec<&str> = words.filter(|word| !word.contains(".conf:")).collect();
                format!("stock: {}", words.join(" "))
            }
            Self::OnlyAditRefuses(said) => {
                // Without the position, which changes as lines go.
                let said = said.first().map_or("", |line| line.as_str());
                format!("adit: {}", said.split_once(": ").map_or(said, |(_, sentence)| sentence))
            }
            Self::Value { key, .. } | Self::Line { key, .. } => format!("value of {key}"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnlyStockRefuses(said) => write!(f, "only OpenVPN refuses it: {}", said.join(" | ")),
            Self::OnlyAditRefuses(said) => write!(f, "only adit refuses it: {}", said.join(" | ")),
            Self::Value { key, stock, adit } => write!(f, "{key}: OpenVPN has {stock}, adit {adit}"),
            Self::Line { key, stock, adit } => {
                write!(f, "{key}: OpenVPN has the line {stock:?}, adit {adit:?}")
            }
        }
    }
}

/// All differences.
pub(crate) fn differences(stock: &Outcome, adit: &Outcome) -> Vec<Difference> {
    match (stock, adit) {
        (Outcome::Settings(stock), Outcome::Settings(adit)) => of_settings(stock, adit),
        (Outcome::Settings(_), Outcome::Refused(said)) => vec![Difference::OnlyAditRefuses(said.clone())],
        (Outcome::Refused(said), Outcome::Settings(_)) => vec![Difference::OnlyStockRefuses(said.clone())],
        (Outcome::Refused(_), Outcome::Refused(_)) => Vec::new(),
    }
}

/// Lines in their order: one that is not where it should be counts as missing here and surplus there.
fn of_settings(stock: &[String], adit: &[String]) -> Vec<Difference> {
    let (stock, adit) = (keyed(stock), keyed(adit));
    let mut found = Vec::new();
    let (mut s, mut a) = (stock.iter().peekable(), adit.iter().peekable());
    loop {
        match (s.peek(), a.peek()) {
            (None, None) => return found,
            (Some((key, value)), Some((other, answer))) if key == other => {
                if value != answer {
                    found.push(Difference::Value {
                        key: key.clone(),
                        stock: value.clone(),
                        adit: answer.clone(),
                    });
                }
                s.next();
                a.next();
            }
            (Some((key, value)), rest) if rest.is_none() || !adit.iter().any(|(other, _)| other == key) => {
                found.push(Difference::Line { key: key.clone(), stock: Some(value.clone()), adit: None });
                s.next();
            }
            (_, Some((key, value))) => {
                found.push(Difference::Line { key: key.clone(), stock: None, adit: Some(value.clone()) });
                a.next();
            }
            (Some((key, value)), None) => {
                found.push(Difference::Line { key: key.clone(), stock: Some(value.clone()), adit: None });
                s.next();
            }
        }
    }
}

/// Each line as its name and its value; the name says which connection it belongs to, and which of several it is.
fn keyed(lines: &[String]) -> Vec<(String, String)> {
    let mut place = String::new();
    let mut keyed: Vec<(String, String)> = Vec::new();
    for line in lines {
        if let Some(rest) = line.strip_prefix("Connection profiles ") {
            place = rest.trim_end_matches(':').replace("END", "");
        }
        let (name, value) = line.trim().split_once(" = ").unwrap_or_else(|| (line.trim(), ""));
        let name = format!("{place}{name}");
        let earlier = keyed.iter().filter(|(key, _)| key.split('#').next() == Some(name.as_str())).count();
        let key = if earlier > 0 { format!("{name}#{earlier}") } else { name };
        keyed.push((key, value.into()));
    }
    keyed
}

//! What OpenVPN 2.7 prints in other words than 2.6, in those of 2.6, which adit's are.

/// The settings that both have, each line as 2.6 writes it.
pub(crate) fn in_words_of_2_6(lines: &[String]) -> Vec<String> {
    let mut older: Vec<String> = Vec::new();
    for line in lines {
        let text = line.trim();
        let (name, value) = text.split_once(" = ").unwrap_or((text, ""));
        if let Some([local, port]) = socket(text) {
            // Of several, 2.6 would have the last.
            if older.last().is_some_and(|line| line.starts_with("  local_port = ")) {
                older.truncate(older.len() - 2);
            }
            older.push(format!("  local = '{local}'"));
            older.push(format!("  local_port = '{port}'"));
        } else if name == "disable_dco" {
            older.push(format!("  tuntap_options.disable_dco = {value}"));
        } else if !["Local Sockets:", "route_default_table_id"].contains(&name) {
            older.push(line.clone());
        }
    }
    older
}

/// Host and port of a line like `[HOST]:PORT-PROTO`.
fn socket(text: &str) -> Option<[&str; 2]> {
    let (host, rest) = text.strip_prefix('[')?.split_once("]:")?;
    let (port, _) = rest.split_once('-')?;
    Some([host, port].map(|word| if word == "(null)" { "[UNDEF]" } else { word }))
}

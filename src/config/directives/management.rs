//! The management interface.

use alloc::string::String;

use super::super::directive::Directive;
use super::super::draft::Draft;
use super::super::host::ManagementAddress;
use super::super::statement::{Complaint, Statement};
use super::super::values::{self, text};

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new("management", "HOST|PATH PORT|unix [FILE]", management),
    Directive::new("management-client", "", flag!(management.client)),
    Directive::new("management-hold", "", flag!(management.hold)),
    Directive::new("management-signal", "", flag!(management.signal)),
    Directive::new("management-forget-disconnect", "", flag!(management.forget_disconnect)),
    Directive::new("management-query-passwords", "", flag!(management.query_passwords)),
    Directive::new(
        "management-log-cache",
        "LINES",
        some!(management.log_cache, |word| values::number(word, 1..=i32::MAX as u64)),
    ),
    Directive::new("management-client-user", "NAME", some!(management.client_user, text)),
    Directive::new("management-client-group", "NAME", some!(management.client_group, text)),
];

fn management(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let host: String = statement.get(1, text)?;
    draft.management.address = Some(match statement.word(2) {
        Some("unix") => ManagementAddress::Unix(host),
        _ => ManagementAddress::Tcp { host, port: statement.get(2, values::port)? },
    });
    draft.management.password_file = statement.optional(3, text)?;
    Ok(())
}

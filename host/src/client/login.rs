//! The login: name and password from a file, or from the user.

use std::path::Path;

use adit::client::Client;
use adit::config::Credentials;
use adit::{Instant, RequestId};

use super::{ClientRole, Waiting};
use crate::errors::cause;
use crate::password::{self, Asker, Held, Prompt};
use crate::poller::Source;
use crate::run::{Node, Outcome};

impl ClientRole {
    pub(super) fn log_in(&mut self, node: &mut Node<Client>, now: Instant, request: RequestId) {
        let held = self.host.auth_user_pass_file.as_ref().map(|path| password::from_file(Path::new(path)));
        let username = match held {
            None => None,
            Some(Ok(Held::Name(username))) => Some(username),
            Some(Ok(Held::Both(credentials))) => {
                return self.logged_in(node, now, request, Ok(credentials));
            }
            Some(Err(why)) => return self.logged_in(node, now, request, Err(why)),
        };
        if self.asks_interface() {
            node.management.ask_login();
            self.waiting = Some(Waiting::Interface(request));
            return;
        }
        match ask(node, Asker::Server, username) {
            Ok(prompt) => self.waiting = Some(Waiting::Prompt(prompt, request)),
            Err(why) => self.logged_in(node, now, request, Err(why)),
        }
    }

    pub(super) fn logged_in(
        &mut self,
        node: &mut Node<Client>,
        now: Instant,
        request: RequestId,
        credentials: Result<Credentials, String>,
    ) {
        match credentials {
            Ok(credentials) => {
                let _ = node.engine.provide_credentials(now, request, credentials);
            }
            Err(why) => {
                self.log.error(why);
                self.outcome = Some(Outcome::Exit(1));
            }
        }
    }
}

/// Puts a question to the user, and watches for the answer.
pub(super) fn ask(node: &Node<Client>, asker: Asker, username: Option<String>) -> Result<Prompt, String> {
    let prompt = Prompt::open(asker, username)?;
    node.io.poller.add(&prompt, Source::Task, false).map_err(|error| cause(&error))?;
    Ok(prompt)
}

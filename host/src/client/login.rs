//! The login: name and password from a file, or from the user.

use std::path::Path;

use adit::client::Client;
use adit::config::Credentials;
use adit::{Instant, RequestId};

use super::{ClientRole, Waiting};
use crate::errors::cause;
use crate::password::{self, Prompt};
use crate::poller::Source;
use crate::run::{Node, Outcome};

impl ClientRole {
    pub(super) fn log_in(&mut self, node: &mut Node<Client>, now: Instant, request: RequestId) {
        match &self.host.auth_user_pass_file {
            Some(path) => {
                let read = password::from_file(Path::new(path));
                self.logged_in(node, now, request, read);
            }
            None if self.asks_interface() => {
                node.management.ask_login();
                self.waiting = Some(Waiting::Interface(request));
            }
            None => {
                let asked = Prompt::open().and_then(|prompt| {
                    let watched = node.io.poller.add(&prompt, Source::Task, false);
                    watched.map_err(|error| cause(&error)).map(|()| prompt)
                });
                match asked {
                    Ok(prompt) => self.waiting = Some(Waiting::Prompt(prompt, request)),
                    Err(why) => self.logged_in(node, now, request, Err(why)),
                }
            }
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

//! What stands only in the options that a server pushes: [`super::super::push`] reads it.

use super::super::directive::{Class, Directive, Places};

pub(super) const DIRECTIVES: &[Directive] = &[
    pushed("auth-token", "TOKEN"),
    pushed("auth-token-user", "NAME"),
    pushed("key-derivation", "tls-ekm"),
    pushed("peer-id", "N"),
    pushed("protocol-flags", "FLAG..."),
    pushed("push-continuation", "1|2"),
];

const fn pushed(name: &'static str, arguments: &'static str) -> Directive {
    Directive::of(name, arguments, Class::Refused("this is for servers to push, not for a configuration"))
        .nowhere_but(Places::PUSH)
}

//! The server's LAN port: opened before root is given up, and kept up to date.

use adit::config::ServerConfig;
use adit::server::Server;

use super::ServerRole;
use crate::lan::Lan;
use crate::run::Node;

impl ServerRole {
    /// Opens the device of `lan-port`, if there is to be one.
    pub(super) fn open_lan(&mut self, config: &ServerConfig, node: &mut Node<Server>) -> Result<(), String> {
        let Some(lan) = &config.router.lan else { return Ok(()) };
        let mut port = Lan::open(&config.router, lan, &self.log)?;
        let link = port.link();
        node.engine.set_lan_link(node.clock.now(), link);
        port.listen(node.engine.router().lan_interests())?;
        self.routes_version = node.engine.router().routes_version();
        self.log.info(format_args!("LAN port {} opened: {}, MTU {}", lan.device, link.mac, link.mtu));
        node.io.attach_lan(port).map_err(|error| format!("cannot wait for {}: {error}", lan.device))
    }

    /// Has what comes in by it follow the routes.
    pub(super) fn follow_routes(&mut self, node: &mut Node<Server>) {
        let version = node.engine.router().routes_version();
        if version != self.routes_version
            && let Some(lan) = node.io.lan()
        {
            self.routes_version = version;
            if let Err(why) = lan.listen(node.engine.router().lan_interests()) {
                self.log.error(why);
            }
        }
    }
}

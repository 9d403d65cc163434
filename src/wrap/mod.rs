//! Protection of control packets: none, tls-auth, tls-crypt; and the server's cookie.

# Lets monitors of OpenVPN from PyPI, as they are, look at a server; prints what they saw as JSON.
#
#   look.py MANAGEMENT STATUS VERSION
#
# MANAGEMENT is HOST:PORT or the path of a socket, STATUS the status file, VERSION its version.

import json
import os
import sys
import tempfile

management, status, version = sys.argv[1:]
host, _, port = management.rpartition(":")
seen = {}

# The interface: openvpn-monitor, a page for the browser. Its settings are read when it is loaded.
with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
    where = f"host={host}\nport={port}\n" if host else f"socket={management}\n"
    config.write(f"[openvpn-monitor]\nsite=here\nenable_maps=False\n[one]\n{where}name=one\nshow_disconnect=True\n")
    config.flush()
    os.environ["OPENVPNMONITOR_CONFIG_FILE"] = config.name
    from openvpn_monitor.app import application

page = application.test_client().get("/").get_data(as_text=True)
seen["page"] = {word: word in page for word in ["client1", "10.8.0.1", "192.0.2.2", "fd00:8::1000"]}

# The status file: openvpn-status-reader knows version 1, openvpn-monitor version 3.
with open(status) as file:
    text = file.read()
if version == "1":
    import openvpn_status

    parsed = openvpn_status.parse_status(text)
    clients = parsed.client_list.values()
    seen["file"] = [[client.common_name, str(client.real_address.host), client.bytes_received > 0] for client in clients]
    seen["routes"] = sorted(str(route.virtual_address) for route in parsed.routing_table.values())
else:
    import semver
    from vpns.openvpn.data_collector import VPNDataCollector

    sessions = VPNDataCollector({}, None).parse_status(text, semver.Version.parse("2.6.14"), None).values()
    seen["file"] = [[one["username"], str(one["remote_ip"]), one["bytes_recv"] > 0] for one in sessions]
    seen["routes"] = sorted(str(one["local_ip"]) for one in sessions if "last_seen" in one)

# The interface: openvpn-api.
from openvpn_api import VPN

vpn = VPN(host=host, port=int(port)) if host else VPN(socket=management)
with vpn.connection():
    stats = vpn.get_stats()
    seen["api"] = {
        "version": vpn.version,
        "state": vpn.state.state_name,
        "mode": vpn.state.mode,
        "address": str(vpn.state.local_virtual_v4_addr),
        "clients": stats.client_count,
        "bytes": stats.bytes_in > 0 and stats.bytes_out > 0,
        "names": [client.common_name for client in vpn.get_status().client_list.values()],
    }

print(json.dumps(seen))

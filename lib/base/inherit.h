/*
 * The contract between a parent and its children.
 *
 * Descriptors come by the LISTEN_FDS convention, from 3 on, named in
 * LISTEN_FDNAMES. A daemon says that it is ready by its hello on the
 * supervisor's socket; when that socket closes it finishes its work and ends.
 * Exit codes: lib/base/exit_codes.h.
 */
#ifndef PHONY_BASE_INHERIT_H
#define PHONY_BASE_INHERIT_H

/* Every daemon: its connection to the supervisor, and its settings (lib/config/config.h). */
#define DOOR_SUPERVISOR "supervisor"
#define DOOR_SETTINGS "settings"
/* voiced: the TCP port, and RUN_DIR/voiced.sock. */
#define DOOR_HTTP "http"
#define DOOR_VOICED "voiced"
/* smsd: RUN_DIR/smsd.sock. mcpd: RUN_DIR/mcpd.sock. */
#define DOOR_SMSD "smsd"
#define DOOR_MCPD "mcpd"
/*
 * phony itself, after an upgrade: all of the above, RUN_DIR/phony.sock, RUN_DIR's lock, and the settings
 * that were found right before the daemons gave way (config_snapshot).
 */
#define DOOR_PHONY "phony"
#define DOOR_LOCK "lock"
#define DOOR_CHECKED "checked"
/* callworker: its connection to voiced. */
#define DOOR_CONTROL "control"

/* An argument of callworker that does nothing but make room for its title. */
#define TITLE_ROOM_ARGUMENT \
	"--title-room=........................................................................"

/* Names of the sockets in RUN_DIR. */
#define SOCKET_SUPERVISOR "phony.sock"
#define SOCKET_VOICED "voiced.sock"
#define SOCKET_SMSD "smsd.sock"
#define SOCKET_MCPD "mcpd.sock"

#endif

/* MCP on standard input and output: one message a line. */
#ifndef PHONY_MCPD_TRANSPORT_STDIO_H
#define PHONY_MCPD_TRANSPORT_STDIO_H

/* Serves until the end of input; returns an exit code. config_file may be NULL. */
int stdio_serve(const char *config_file);

#endif

/*
 * Every message between phony's processes.
 *
 *	MESSAGE(number, NAME, senders, receivers, answer, descriptor)
 *
 * answer: ASKS gets exactly one reply or error with its id, TELLS gets none.
 * descriptor: CARRIES says that one travels with the frame, BARE that none does.
 * The enum, the names in logs and the check of who may send what come from
 * this table. Raise PROTO_VERSION with every change of it.
 */
#ifndef PHONY_PROTO_MESSAGES_H
#define PHONY_PROTO_MESSAGES_H

enum {
	PROTO_VERSION = 7,
	/* Still understood: a worker of before an upgrade speaks on until its call is over. */
	PROTO_VERSION_LEAST = 4,
};

/* Who speaks: a bit each, so that a message can name several. */
enum role {
	ROLE_SUPERVISOR = 1,
	ROLE_VOICED = 2,
	ROLE_SMSD = 4,
	ROLE_MCPD = 8,
	ROLE_CALLWORKER = 16,
	ROLE_TOOL = 32, /* `phony status` and the like */
};
enum {
	ROLE_DAEMONS = ROLE_VOICED | ROLE_SMSD | ROLE_MCPD,
	ROLE_ANY = 63,
};

/* clang-format off */
#define MESSAGES(MESSAGE)                                                                          \
	/* first each way: {version, role, pid} */                                                 \
	MESSAGE(1, HELLO, ROLE_ANY, ROLE_ANY, TELLS, BARE)                                         \
                                                                                                   \
	/* no new work; live calls may go on for {seconds} */                                      \
	MESSAGE(10, DRAIN, ROLE_SUPERVISOR, ROLE_DAEMONS, TELLS, BARE)                             \
	/* {} -> what `phony status` shows of a daemon */                                          \
	MESSAGE(11, STATUS, ROLE_SUPERVISOR | ROLE_MCPD | ROLE_TOOL, ROLE_ANY, ASKS, BARE)         \
	/* {clients, liveCalls}: sent on every change */                                           \
	MESSAGE(12, LOAD, ROLE_VOICED, ROLE_SUPERVISOR, TELLS, BARE)                               \
	/* {pid, status}: a callworker that outlived its voiced has ended (wait status) */         \
	MESSAGE(13, ORPHAN_ENDED, ROLE_SUPERVISOR, ROLE_VOICED, TELLS, BARE)                       \
                                                                                                   \
	/* {}: end at once, another takes your place; calls go on. From one's own supervisor, or, when that \
	   is dead, from the next, on one's socket */                                              \
	MESSAGE(14, STEP_DOWN, ROLE_SUPERVISOR, ROLE_DAEMONS, TELLS, BARE)                         \
	/* {}: the TCP port's listening socket, before one steps down for the next supervisor */     \
	MESSAGE(16, DOOR, ROLE_VOICED, ROLE_SUPERVISOR, TELLS, CARRIES)                             \
	/* {}: settings were changed: the same, on a person's wish */                               \
	MESSAGE(17, RELOAD, ROLE_VOICED, ROLE_SUPERVISOR, TELLS, BARE)                              \
	/* {} -> {}: asked all the time; a daemon that does not answer any more is started again */  \
	MESSAGE(18, ALIVE, ROLE_SUPERVISOR, ROLE_DAEMONS, ASKS, BARE)                              \
	/* {} -> {}: new programs and settings, without hanging up */                              \
	MESSAGE(15, UPGRADE, ROLE_TOOL, ROLE_SUPERVISOR, ASKS, BARE)                               \
                                                                                                   \
	/* a connection with its request unread: {peer: address} */                                \
	MESSAGE(20, HANDOVER, ROLE_VOICED, ROLE_SMSD | ROLE_MCPD, TELLS, CARRIES)                  \
                                                                                                   \
	/* before any call: {confine, tls, caFile, memoryMb, cpuSeconds, coreMb} */                \
	MESSAGE(28, PREPARE, ROLE_VOICED, ROLE_CALLWORKER, TELLS, BARE)                            \
	/* it is, and confined by this version of Landlock (0: none): {landlock} */                \
	MESSAGE(29, CELL, ROLE_CALLWORKER, ROLE_VOICED, TELLS, BARE)                               \
	/* the call to serve and its stream's connection: see voiced/workers/pool.c */                  \
	MESSAGE(30, ASSIGN, ROLE_VOICED, ROLE_CALLWORKER, TELLS, CARRIES)                          \
	/* the agent to open: {url, header?} and a connection, on its way, to its host */           \
	MESSAGE(31, AGENT, ROLE_VOICED, ROLE_CALLWORKER, TELLS, CARRIES)                           \
	/* {error}: there will be none */                                                          \
	MESSAGE(49, NO_AGENT, ROLE_VOICED, ROLE_CALLWORKER, TELLS, BARE)                           \
	/* {}: a listening socket, on which the next voiced comes, before ASSIGN */                 \
	MESSAGE(48, LISTENER, ROLE_VOICED, ROLE_CALLWORKER, TELLS, CARRIES)                        \
	/* {context} / {digits} / {close}, where no carrier ends the stream -> {} */               \
	MESSAGE(32, WORKER_INJECT, ROLE_VOICED, ROLE_CALLWORKER, ASKS, BARE)                       \
	MESSAGE(33, WORKER_DTMF, ROLE_VOICED, ROLE_CALLWORKER, ASKS, BARE)                         \
	MESSAGE(34, WORKER_HANGUP, ROLE_VOICED, ROLE_CALLWORKER, ASKS, BARE)                       \
	/* everything up to {seq} is stored */                                                     \
	MESSAGE(35, EVENT_ACK, ROLE_VOICED, ROLE_CALLWORKER, TELLS, BARE)                          \
	/* {seq, type, time, data}: kept by the worker until acknowledged */                       \
	MESSAGE(36, EVENT, ROLE_CALLWORKER, ROLE_VOICED, TELLS, BARE)                              \
	/* {callId, attempt, needsAgent}: to a voiced started anew, before what it missed */         \
	MESSAGE(37, ANNOUNCE, ROLE_CALLWORKER, ROLE_VOICED, TELLS, BARE)                           \
	/* {}: the stream's connection, for the close frame if the worker dies */                  \
	MESSAGE(38, STREAM, ROLE_CALLWORKER, ROLE_VOICED, TELLS, CARRIES)                          \
	/* {}: the file that the call is recorded into, before ASSIGN */                            \
	MESSAGE(39, RECORD, ROLE_VOICED, ROLE_CALLWORKER, TELLS, CARRIES)                          \
	/* {} / {} / {text, interrupt} / {question} / {answer} / {toNumber, reason} -> {} */        \
	MESSAGE(40, WORKER_HOLD, ROLE_VOICED, ROLE_CALLWORKER, ASKS, BARE)                         \
	MESSAGE(41, WORKER_RESUME, ROLE_VOICED, ROLE_CALLWORKER, ASKS, BARE)                       \
	MESSAGE(42, WORKER_DIRECT, ROLE_VOICED, ROLE_CALLWORKER, ASKS, BARE)                       \
	MESSAGE(43, WORKER_QUESTION, ROLE_VOICED, ROLE_CALLWORKER, ASKS, BARE)                     \
	MESSAGE(44, WORKER_ANSWER, ROLE_VOICED, ROLE_CALLWORKER, ASKS, BARE)                       \
	MESSAGE(45, WORKER_TRANSFER, ROLE_VOICED, ROLE_CALLWORKER, ASKS, BARE)                     \
	/* {}: the file that everything is recorded into (callworker/process/flight_recorder.h), before ASSIGN */       \
	MESSAGE(47, FLIGHT, ROLE_VOICED, ROLE_CALLWORKER, TELLS, CARRIES)                          \
	/* {} -> {caller, agent, callerSpeaks, agentSpeaks} */                                      \
	MESSAGE(46, WORKER_LEVELS, ROLE_VOICED, ROLE_CALLWORKER, ASKS, BARE)                        \
                                                                                                   \
	/* arguments and results as the MCP tools of these names */                                \
	MESSAGE(50, CREATE_CALL, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                               \
	MESSAGE(51, LIST_CALLS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                \
	MESSAGE(52, GET_CALL, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                  \
	MESSAGE(53, GET_TRANSCRIPT, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                            \
	MESSAGE(54, GET_EVENTS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                \
	MESSAGE(55, GET_INSTRUCTIONS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                          \
	MESSAGE(56, HANGUP_CALL, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                               \
	MESSAGE(57, INJECT_CONTEXT, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                            \
	MESSAGE(58, SEND_DTMF, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                 \
	MESSAGE(59, EMERGENCY_SHUTDOWN, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                        \
	MESSAGE(60, SYSTEM_STATUS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                              \
	/* voiced's own, over HTTP: the same in the browser; how loud a call is; settings */         \
	MESSAGE(61, BROWSER_CALL, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                               \
	MESSAGE(62, CALL_LEVELS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                \
	MESSAGE(63, LIST_SETTINGS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                              \
	MESSAGE(64, CHANGE_SETTINGS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                            \
	MESSAGE(65, CHECKUP, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                    \
                                                                                                    \
	/* the same of messages; smsd answers {status, message, data} */                            \
	MESSAGE(70, SEND_SMS, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                                     \
	MESSAGE(71, LIST_MESSAGES, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                                \
	MESSAGE(72, SEARCH_MESSAGES, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                              \
	MESSAGE(73, GET_MESSAGE, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                                  \
	MESSAGE(74, DELETE_MESSAGE, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                               \
	MESSAGE(75, DELETE_MESSAGES, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                              \
	MESSAGE(76, GET_CONVERSATION, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                             \
	MESSAGE(77, CREATE_GROUP, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                                 \
	MESSAGE(78, LIST_CONVERSATIONS, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                           \
	MESSAGE(79, GET_DETAILS, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                                  \
	MESSAGE(80, GET_GROUP_MESSAGES, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                           \
	MESSAGE(81, ADD_PARTICIPANT, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                              \
	MESSAGE(82, REMOVE_PARTICIPANT, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                           \
	MESSAGE(83, UPDATE_GROUP_NAME, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                            \
	MESSAGE(84, SEND_GROUP, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                                   \
	MESSAGE(85, CANCEL_MESSAGE, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                               \
	MESSAGE(86, SEND_BULK, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                                    \
	MESSAGE(87, GET_BULK, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                                     \
	MESSAGE(88, LIST_BULKS, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                                   \
	MESSAGE(89, CANCEL_BULK, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                                  \
	MESSAGE(90, CREATE_TEMPLATE, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                              \
	MESSAGE(91, LIST_TEMPLATES, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                               \
	MESSAGE(92, GET_TEMPLATE, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                                 \
	MESSAGE(93, UPDATE_TEMPLATE, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                              \
	MESSAGE(94, DELETE_TEMPLATE, ROLE_MCPD, ROLE_SMSD, ASKS, BARE)                              \
	/* emergency shutdown, {} -> {canceled, stopping, bulks}: no stored message is sent any more, on any host */ \
	MESSAGE(95, STOP_MESSAGES, ROLE_MCPD | ROLE_VOICED, ROLE_SMSD, ASKS, BARE)                  \
                                                                                                    \
	/* calls, and what belongs to them; voiced answers {status, message, data} */            \
	MESSAGE(110, SEARCH_CALLS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                        \
	MESSAGE(111, DELETE_CALL, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                         \
	MESSAGE(112, DELETE_CALLS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                        \
	MESSAGE(113, HOLD_CALL, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                           \
	MESSAGE(114, RESUME_CALL, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                         \
	MESSAGE(115, REQUEST_OPERATOR, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                    \
	MESSAGE(116, ANSWER_OPERATOR, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                     \
	MESSAGE(117, LIST_QUESTIONS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                      \
	MESSAGE(118, TRANSFER_CALL, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                       \
	MESSAGE(119, WAIT_CALL, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                           \
	MESSAGE(120, GET_RECORDING, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                       \
	MESSAGE(121, CANCEL_CALL, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                         \
	MESSAGE(122, LIST_CONTEXTS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                       \
	MESSAGE(123, GET_CONTEXT, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                         \
	MESSAGE(124, CREATE_CONTEXT, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                      \
	MESSAGE(125, UPDATE_CONTEXT, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                      \
	MESSAGE(126, DELETE_CONTEXT, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                      \
	MESSAGE(127, LIST_NUMBERS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                        \
	MESSAGE(128, LIST_FREE_NUMBERS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                   \
	MESSAGE(129, LIST_HANDLERS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                       \
	MESSAGE(130, GET_HANDLER, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                         \
	MESSAGE(131, CREATE_HANDLER, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                      \
	MESSAGE(132, UPDATE_HANDLER, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                      \
	MESSAGE(133, DELETE_HANDLER, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                      \
	MESSAGE(134, LIST_VOICEMAILS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                     \
	MESSAGE(135, SEARCH_VOICEMAILS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                   \
	MESSAGE(136, GET_VOICEMAIL, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                       \
	MESSAGE(137, MARK_READ, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                           \
	MESSAGE(138, MARK_UNREAD, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                         \
	MESSAGE(139, DELETE_VOICEMAIL, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                    \
	MESSAGE(140, DELETE_VOICEMAILS, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                   \
	MESSAGE(141, COUNT_UNREAD, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                        \
	MESSAGE(142, LIST_BARRED, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                         \
	MESSAGE(143, BAR_NUMBER, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                          \
	MESSAGE(144, UNBAR_NUMBER, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                        \
	/* {recordingSid} -> {status, message, data: {recordingSid, mimeType, base64}} */                     \
	MESSAGE(146, GET_VOICEMAIL_AUDIO, ROLE_MCPD, ROLE_VOICED, ASKS, BARE)                                 \
	MESSAGE(145, STATS, ROLE_MCPD | ROLE_TOOL, ROLE_VOICED, ASKS, BARE)                                   \
                                                                                                    \
	/* what happens is told from now on / {kind, callSid?, …}: see voiced/shared/event_bus.c */           \
	MESSAGE(150, SUBSCRIBE, ROLE_MCPD, ROLE_VOICED, TELLS, BARE)                                \
	MESSAGE(151, NEWS, ROLE_VOICED | ROLE_SMSD, ROLE_MCPD | ROLE_VOICED, TELLS, BARE)            \
                                                                                                    \
	/* of records: mcpd asks voiced, which asks smsd about messages */                          \
	MESSAGE(100, ADD_TAGS, ROLE_MCPD | ROLE_VOICED, ROLE_VOICED | ROLE_SMSD, ASKS, BARE)        \
	MESSAGE(101, REMOVE_TAGS, ROLE_MCPD | ROLE_VOICED, ROLE_VOICED | ROLE_SMSD, ASKS, BARE)     \
	MESSAGE(102, SEARCH_BY_TAGS, ROLE_MCPD | ROLE_VOICED, ROLE_VOICED | ROLE_SMSD, ASKS, BARE)
/* clang-format on */

enum message {
#define MESSAGE(number, name, from, to, answer, fd) MSG_##name = number,
	MESSAGES(MESSAGE)
#undef MESSAGE
};

#endif

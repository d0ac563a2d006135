/** `json`: the entry as the log has it. The others are those of internals/spec/audit-formats-v1.md. */
export const LOG_FORMATS = ['json', 'ocsf', 'cef', 'kubernetes'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

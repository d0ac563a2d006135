import { cefMessage } from './cef.ts';
import { kubernetesEvent } from './kubernetes.ts';
import { recordOf, type LocatedEntry } from './log-record.ts';
import { ocsfEvent } from './ocsf.ts';

export type { LocatedEntry } from './log-record.ts';

/** `json`: the entry as the log has it. The others are those of docs/spec/audit-formats-v1.md. */
export const LOG_FORMATS = ['json', 'ocsf', 'cef', 'kubernetes'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** One entry as one line, without its end. */
export function formatEntry(format: LogFormat, located: LocatedEntry): string {
  switch (format) {
    case 'json':
      return located.entry;
    case 'ocsf':
      return ocsfEvent(recordOf(located));
    case 'cef':
      return cefMessage(recordOf(located));
    case 'kubernetes':
      return kubernetesEvent(recordOf(located));
  }
}

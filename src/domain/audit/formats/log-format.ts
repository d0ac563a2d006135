import { cefMessage } from './cef.ts';
import type { LogFormat } from './format-names.ts';
import { kubernetesEvent } from './kubernetes.ts';
import { recordOf, type LocatedEntry } from './log-record.ts';
import { ocsfEvent } from './ocsf.ts';

export type { LocatedEntry } from './log-record.ts';

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

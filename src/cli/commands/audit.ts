import { LOG_FORMATS } from '../../domain/audit/formats/format-names.ts';
import { STANDARD_NAMES } from '../reports/compliance/standards.ts';
import { AUDIT_FILTERS, CLOSED } from '../input/audit-filters.ts';
import type { CommandTable, OptionRow } from '../run/command.ts';
import { FROM_JSON, VALUES } from './secrets.ts';

const FILTERS: readonly OptionRow[] = AUDIT_FILTERS.map(([name, description]) => {
  const completes = CLOSED[name];
  return [`--${name} <text>`, description, completes === undefined ? {} : { completes }];
});
const PERIOD: readonly OptionRow[] = [
  ['--since <duration>', 'entries of the last minutes, hours or days, such as 2h'],
  ['--from <time>', 'entries from this time on, such as 2026-01-05T10:00:00Z or 2026-01-05'],
  ['--to <time>', 'entries up to this time'],
  ['--limit <count>', 'at most this many entries', { fallback: '100' }],
];
const load = () => import('../verbs/audit-proof.ts');

/** The option that writes entries in a format of another system. */
export function formatOption(effect: string): OptionRow {
  const names = LOG_FORMATS.filter((each) => each !== 'json');
  const list = `${names.slice(0, -1).join(', ')} or ${names.slice(-1).join()}`;
  return ['--format <format>', `${effect} ${list} (docs/audit.md, "Formats")`];
}

/** The commands that query the audit log of a running broker; src/program/commands/audit.ts has those that read a store or an export. */
export const AUDIT: CommandTable = {
  heading: 'Audit log:',
  groups: { audit: 'search, export and verify the audit log' },
  commands: [
    {
      command: 'audit search',
      summary: 'list entries that match all filters, newest first',
      options: [...FILTERS, ...PERIOD, formatOption('print lines of')],
      examples: [
        'quaymaster audit search --path payments/db --since 1h --format ocsf',
        'quaymaster audit search --outcome deny --since 2h --workload k8s://prod/shop/web',
      ],
      load: async () => (await import('../verbs/audit-search.ts')).runAuditSearch,
    },
    {
      command: 'audit trace',
      summary: 'find the callers that received a leaked value; the value is never an argument',
      details:
        'Give one leaked value under any key, or the whole secret with all its keys. This needs the role auditor, which admin does not include. See docs/audit.md.',
      arguments: [VALUES],
      options: [
        FROM_JSON,
        ['--path-prefix <path>', 'only this path and everything below it'],
        ...PERIOD,
      ],
      examples: [
        'quaymaster audit trace password=-',
        'quaymaster audit trace --from-json leaked.json --path-prefix payments',
      ],
      load: async () => (await import('../verbs/audit-search.ts')).runAuditTrace,
    },
    {
      command: 'audit who-received',
      summary:
        'list every caller that received a path, or one version of it, over the whole live log',
      details:
        'It shows how often and when, the entries for audit proof, and until when a lease of the caller is valid. It reads the log through its search index. Each entry is proven. To exclude that an attacker with access to the database hid entries, export and verify the log.',
      arguments: [['<path>', 'path of a secret']],
      options: [
        ['--secret-version <version>', 'only callers that received this version'],
        ['--csv', 'print CSV with all columns'],
        ...PERIOD.filter(([flags]) => !flags.startsWith('--limit')),
      ],
      examples: [
        'quaymaster audit who-received payments/db --secret-version 3',
        'quaymaster audit who-received payments/db --csv > receivers.csv',
      ],
      load: async () => (await import('../verbs/who-received.ts')).runWhoReceived,
    },
    {
      command: 'audit tail',
      summary: 'print new entries that match all filters as they are recorded',
      options: FILTERS,
      examples: [
        'quaymaster audit tail --outcome deny',
        'quaymaster audit tail --path-prefix payments --output json',
      ],
      load: async () => (await import('../verbs/audit-tail.ts')).runAuditTail,
    },
    {
      command: 'audit compliance',
      summary:
        'assess the controls of standards with evidence from the broker; exit 1 if one fails',
      details:
        'For each control it shows what was seen, a command that shows the same, and entries of the log as evidence. It needs the role auditor. What the caller may not see is not assessed.',
      options: [
        [
          '--standard <names>',
          `standards: ${STANDARD_NAMES.join(', ')}; default: all`,
          { words: STANDARD_NAMES },
        ],
        [
          '--since <time>',
          'the beginning of the period: a time, or a duration such as 90d',
          { fallback: '90d' },
        ],
        [
          '--as <form>',
          'the form of the report',
          { choices: ['text', 'csv', 'html'], fallback: 'text' },
        ],
      ],
      examples: [
        'quaymaster audit compliance',
        'quaymaster audit compliance --standard pci-dss-4.0.1 --since 365d --as html > report.html',
      ],
      load: async () => (await import('../verbs/compliance.ts')).runCompliance,
    },
    {
      command: 'audit proof',
      summary: 'fetch and check the proof that an entry is in the log; exit 1 if it is not valid',
      arguments: [['<index>', 'index of the entry']],
      options: [
        ['--log-key <text>', "the log's verifier key, from a source other than the broker"],
      ],
      examples: ['quaymaster audit proof 1234'],
      load: async () => (await load()).runAuditProof,
    },
    {
      command: 'audit archive-status',
      summary: 'show the archive of the log, where the live log begins, and the run in progress',
      examples: ['quaymaster audit archive-status'],
      load: async () => (await import('../verbs/audit-archive.ts')).runArchiveStatus,
    },
    {
      command: 'audit checkpoint',
      summary: 'print the latest checkpoint: the signed tree head of the log',
      options: [
        [
          '--witnessed',
          'the latest checkpoint that enough witnesses cosigned, with the cosignatures',
        ],
      ],
      examples: [
        'quaymaster audit checkpoint > checkpoint.txt',
        'quaymaster audit checkpoint --witnessed > checkpoint.txt',
      ],
      load: async () => (await load()).runCheckpoint,
    },
    {
      command: 'audit log-key',
      summary: "print the log's verifier key",
      examples: ['quaymaster audit log-key'],
      load: async () => (await load()).runLogKey,
    },
  ],
};

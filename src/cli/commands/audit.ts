import type { Command } from 'commander';
import { AUDIT_FILTERS } from '../audit-filters.ts';
import { online } from './declare.ts';

/** Adds what asks a broker to the verbs that read a store. */
export function addAuditQueries(audit: Command): void {
  const search = audit
    .command('search')
    .description('list entries that fit all filters, newest first');
  withFilters(search)
    .option('--from <time>', 'not before, such as 2026-01-05T10:00:00Z')
    .option('--to <time>', 'not after')
    .option('--limit <count>', 'at most so many', '100');
  online(search, async () => (await import('../verbs/audit-search.ts')).runAuditSearch);
  online(
    audit
      .command('trace')
      .description('find the callers that received a leaked value; the value is never an argument')
      .argument('[key=@file...]', 'a key and the file of its value; key=- to type or pipe it')
      .option('--from-json <file>', 'all keys from a JSON object; - for standard input')
      .option('--path-prefix <path>', 'only this path and what is below it')
      .option('--from <time>', 'not before, such as 2026-01-05T10:00:00Z')
      .option('--to <time>', 'not after')
      .option('--limit <count>', 'at most so many', '100'),
    async () => (await import('../verbs/audit-trace.ts')).runAuditTrace,
  );
  online(
    withFilters(
      audit.command('tail').description('print entries that fit all filters as they come'),
    ),
    async () => (await import('../verbs/audit-tail.ts')).runAuditTail,
  );
  online(
    audit
      .command('proof')
      .description(
        'get the proof that an entry is in the log, and check it; exit 1 if it does not hold',
      )
      .argument('<index>')
      .option('--log-key <text>', "the log's verifier key, from elsewhere than the broker"),
    async () => (await import('../verbs/audit-proof.ts')).runAuditProof,
  );
  online(
    audit.command('checkpoint').description('print the last signed tree head'),
    async () => (await import('../verbs/audit-head.ts')).runCheckpoint,
  );
  online(
    audit.command('log-key').description("print the log's verifier key"),
    async () => (await import('../verbs/audit-head.ts')).runLogKey,
  );
}

function withFilters(command: Command): Command {
  for (const [name, description] of AUDIT_FILTERS) command.option(`--${name} <text>`, description);
  return command;
}

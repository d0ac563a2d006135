import { writeFile } from 'node:fs/promises';
import { escapeHtml, htmlPage } from '../output/html.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { EXIT, Failed } from '../kernel/errors.ts';
import {
  gapText,
  headline,
  holdersText,
  needsPerson,
  neighboursText,
  othersText,
  podStates,
  scopeText,
  stateText,
  timelineRows,
  unreadText,
  type Incident,
} from './incident-text.ts';
import { wholeIncident } from './incidents.ts';

/** Writes an incident as one page for the file of the case. */
export async function runIncidentReport(
  { broker, output, clock }: CliContext,
  { args: [id = ''], options: { html } }: Call<{ readonly html: string }>,
): Promise<void> {
  const incident = await wholeIncident(await broker(), id, true);
  const page = incidentHtml(incident, new Date(clock.now()).toISOString());
  try {
    await writeFile(html, page, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'the file exists already' : code;
    throw new Failed(`cannot write ${html}: ${why}`, EXIT.failed, { cause: error });
  }
  await output.show({ file: html }, () => `wrote ${html}`);
}

/** The incident as a page without scripts and outside parts. It has names, versions and times, and no values of secrets. */
export function incidentHtml(incident: Incident, printedAt: string): string {
  const { alert, scopes, unread, gaps, checkpoint = 'none' } = incident;
  const facts: [string, string][] = [['Scope', scopes.map(scopeText).join(', ')]];
  if (alert !== undefined) facts.push(...alertFacts(alert));
  const body = [
    `<h1>${escapeHtml(headline(incident))}</h1>`,
    pairs(facts),
    ...unread.map((part) => warning(unreadText(part))),
    '<h2>Secrets</h2>',
    secretsTable(incident),
    ...contextParts(incident),
    '<h2>Timeline (UTC)</h2>',
    timelineTable(incident),
    ...gaps.map((gap) => warning(gapText(gap))),
    '<h2>Proof</h2>',
    `<p>Printed ${escapeHtml(printedAt)}. <code>quaymaster audit proof ENTRY</code> proves each entry. This signed checkpoint of the audit log covers them:</p>`,
    `<pre>${escapeHtml(checkpoint)}</pre>`,
  ];
  return htmlPage(`Incident ${alert?.id ?? ''}`, body.join('\n'));
}

function alertFacts(alert: NonNullable<Incident['alert']>): [string, string][] {
  const { id, rule, source, time, receivedAt, state, response, quarantines, reason, ended } = alert;
  const facts: [string, string | undefined][] = [
    ['Incident', id],
    ['Rule', rule],
    ['Source', source],
    ['Time by the source', time],
    ['Received', receivedAt],
    ['Operator', alert.operator],
    ['Reason', reason],
    ['State', state],
    ['Response', response.action],
    ['Quarantines', quarantines.join(', ')],
    ['Sessions ended', ended && String(ended.sessions)],
    ['Leases revoked', ended && String(ended.revoked + ended.revoking)],
  ];
  return facts.flatMap(([name, text]): [string, string][] =>
    text === undefined || text === '' ? [] : [[name, text]],
  );
}

function contextParts(incident: Incident): readonly string[] {
  const { neighbours } = incident;
  const facts = podStates(incident).map(([when, text]): [string, string] => [`Pod ${when}`, text]);
  if (neighbours !== undefined)
    facts.push(
      ['Same image', neighboursText(neighbours.image)],
      ['Same node', neighboursText(neighbours.node)],
      ['Same service account', neighboursText(neighbours.account)],
    );
  return facts.length === 0 ? [] : ['<h2>Pod</h2>', pairs(facts)];
}

function secretsTable({ secrets }: Incident): string {
  const header = [
    'Holds now',
    'Ever read',
    'State',
    'Healthy holders',
    'Versions',
    'First read',
    'Last read',
    'Entry',
    'Other readers',
  ];
  const rows = secrets.map((secret) => {
    const cells = [
      secret.held ? secret.path : '',
      secret.path,
      stateText(secret),
      holdersText(secret),
      secret.versions.join(' '),
      secret.firstAt,
      secret.lastAt,
      String(secret.lastIndex ?? ''),
      othersText(secret),
    ].map(escapeHtml);
    const mark = needsPerson(secret) ? ' class="warning"' : '';
    return `<tr${mark}>${cells.map((cell, at) => (at === 2 ? `<td class="${secret.state}">${cell}</td>` : `<td>${cell}</td>`)).join('')}</tr>`;
  });
  return table(header, rows);
}

function timelineTable(incident: Incident): string {
  const rows = timelineRows(incident).map(({ time, index, what, by, subject, detail }) => {
    const cells = [time, String(index ?? ''), what, by, subject, detail];
    return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`;
  });
  return table(['Time', 'Entry', 'What', 'By', 'Subject', 'Detail'], rows);
}

function table(header: readonly string[], rows: readonly string[]): string {
  const head = header.map((cell) => `<th>${cell}</th>`).join('');
  return `<table><thead><tr>${head}</tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table>`;
}

function pairs(facts: readonly (readonly [string, string])[]): string {
  const rows = facts.map(
    ([name, text]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(text)}</td></tr>`,
  );
  return `<table><tbody>\n${rows.join('\n')}\n</tbody></table>`;
}

function warning(text: string): string {
  return `<p class="warning">${escapeHtml(text)}</p>`;
}

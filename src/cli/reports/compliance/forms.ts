import { csv } from '../../output/csv.ts';
import { escapeHtml as escaped } from '../../output/html.ts';
import type { AssessedControl, ComplianceReport } from './assess-standards.ts';

const COLUMNS = [
  'standard',
  'control',
  'title',
  'state',
  'check',
  'check_state',
  'seen',
  'examples',
  'query',
  'entries',
];

/** One line for each check of each control. */
export function csvOf({ standards }: ComplianceReport): string {
  const rows = standards.flatMap(({ name, controls }) =>
    controls.flatMap(({ id, title, state, checks }) => {
      const control = [name, id, title, state];
      if (checks.length === 0) return [[...control, '', '', '', '', '', '']];
      return checks.map((each) => [
        ...control,
        each.check,
        each.state,
        each.text,
        each.examples.join('; '),
        each.query,
        each.entries.join(' '),
      ]);
    }),
  );
  return `${csv([COLUMNS, ...rows])}\n`;
}

const STYLE = `
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } td, th { border-top: 1px solid #ccc; padding: .35rem .5rem; text-align: left; vertical-align: top; }
.pass { color: #176117; } .fail { color: #a30d0d; font-weight: 600; } .not-assessed { color: #8a5a00; } .not-applicable { color: #666; }
code, pre { font: 12px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; } ul { margin: .2rem 0 .2rem 1.1rem; padding: 0; }
@media print { body { margin: 0; max-width: none; } tr { break-inside: avoid; } }
`;

/** One page without scripts and outside parts, for a browser or a printer. */
export function htmlOf({ broker, from, to, checkpoint, standards }: ComplianceReport): string {
  const parts = standards.map(
    ({ title, controls }) =>
      `<h2>${escaped(title)}</h2>\n<table><thead><tr><th>Control</th><th>State</th><th>Seen</th></tr></thead><tbody>\n${controls.map(rowOf).join('')}</tbody></table>\n`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>Quaymaster compliance report</title><style>${STYLE}</style></head><body>
<h1>Compliance report</h1>
<p>Broker <code>${escaped(broker)}</code>, ${escaped(from.slice(0, 10))} to ${escaped(to.slice(0, 10))}.</p>
${parts.join('')}<h2>Evidence</h2>
<p>Each entry that is named above is proven with <code>quaymaster audit proof INDEX</code>. This signed checkpoint of the audit log covers them:</p>
<pre>${escaped(checkpoint)}</pre>
</body></html>
`;
}

function rowOf({ id, title, state, checks }: AssessedControl): string {
  const seen = checks.map(({ text, examples, query, entries, state: own }) => {
    const list = examples.map((each) => `<li>${escaped(each)}</li>`).join('');
    const proofs = entries.length === 0 ? '' : `; entries ${entries.join(', ')}`;
    return `<div><span class="${own}">${own}</span>: ${escaped(text)}${list === '' ? '' : `<ul>${list}</ul>`}<div><code>${escaped(query)}</code>${proofs}</div></div>`;
  });
  const body = seen.length === 0 ? 'the broker cannot see this' : seen.join('');
  return `<tr><td>${escaped(id)} ${escaped(title)}</td><td class="${state}">${state}</td><td>${body}</td></tr>\n`;
}

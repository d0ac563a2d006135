import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * Reads two files repeatedly, like an application without knowledge of the agent. At its end it prints the number of reads, of
 * incomplete reads, and of versions.
 */
const [, , directory = '', count = '0'] = process.argv;
const seen = new Set<string>();
let broken = 0;
let missing = 0;

for (let read = 0; read < Number(count); read += 1) {
  try {
    const text = readFileSync(join(directory, read % 2 === 0 ? 'db.json' : 'folder/text'), 'utf8');
    const marks = new Set(text.match(/v\d+/g));
    if (marks.size !== 1 || !text.endsWith(read % 2 === 0 ? '}\n' : 'end')) broken += 1;
    for (const mark of marks) seen.add(mark);
  } catch {
    missing += 1;
  }
}
process.stdout.write(JSON.stringify({ broken, missing, versions: seen.size }));

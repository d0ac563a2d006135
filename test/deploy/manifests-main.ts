import { writeFile } from 'node:fs/promises';
import { startHelm } from '../backends/helm.ts';
import { chartFiles } from './chart-files.ts';

// Twice, because Helm reads the schema that the first time writes.
for (let time = 0; time < 2; time += 1) {
  const helm = await startHelm();
  try {
    for (const [path, text] of await chartFiles(helm)) await writeFile(path, text);
  } finally {
    await helm.stop();
  }
}

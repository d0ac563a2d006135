import { writeFile } from 'node:fs/promises';
import { startHelm } from '../kit/backends/helm.ts';
import { chartFiles } from './chart-files.ts';

const helm = await startHelm();
try {
  for await (const [path, text] of chartFiles(helm)) await writeFile(path, text);
} finally {
  await helm.stop();
}

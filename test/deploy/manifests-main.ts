import { writeFile } from 'node:fs/promises';
import { HELM } from '../kit/backends/recipes.ts';
import { startTool } from '../kit/backends/tool.ts';
import { chartFiles } from './chart-files.ts';

const helm = await startTool(HELM);
try {
  for await (const [path, text] of chartFiles(helm)) await writeFile(path, text);
} finally {
  await helm.stop();
}

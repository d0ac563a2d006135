import { spawnSync } from 'node:child_process';
import { expect, it } from '@jest/globals';

const OLD_NODE = `
  Object.defineProperty(process, 'version', { value: 'v20.20.2' });
  process.argv = [process.execPath, 'quaymaster', 'whoami'];
  require('./scripts/quaymaster.cjs');
`;

it('reports the required Node version and how to install it, and does not fail later', () => {
  const { status, stderr } = spawnSync(process.execPath, ['-e', OLD_NODE], { encoding: 'utf8' });
  expect(stderr).toBe(
    'quaymaster needs Node 24, and this is v20.20.2. In a checkout: npx node dist/quaymaster.cjs …; elsewhere: npx -p node@24 -p quaymaster quaymaster …\n',
  );
  expect(status).toBe(1);
});

import { describe, expect, it } from '@jest/globals';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import { newToken } from '../../src/crypto/random/token.ts';
import { installedDirectory } from '../kit/backends/cache.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { DETECT_SECRETS } from '../kit/backends/recipes.ts';
import { runTool } from '../kit/backends/run-tool.ts';
import type { Tool } from '../kit/backends/tool.ts';

const RULES = fileURLToPath(new URL('../../deploy/scanner-rules/', import.meta.url));

/** The places in which tokens are found by accident, each with one token. */
const PLACES: Readonly<Record<string, (token: string) => string>> = {
  'app.env': (token) => `QUAYMASTER_TOKEN=${token}\n`,
  'values.yaml': (token) => `broker:\n  token: ${token}\n`,
  'state.json': (token) => JSON.stringify({ token, attempts: 1 }),
  'fetch.sh': (token) => `curl -H 'Authorization: Bearer ${token}' "$BROKER/api/v1/secrets/a"\n`,
  'app.ts': (token) => `const client = broker.as(bearer('${token}'));\n`,
  'access.log': (token) => `GET /api/v1/secrets/a?access_token=${token} 403\n`,
};
/** Texts that begin like a token and are none. */
const OTHERS = 'qms_short\nqmo_in_a_name_of_a_function_that_is_quite_long_but_no_token_at_all\n';

/** Writes a folder with tokens in all places, and a file without one. */
async function leak({ directory }: Tool): Promise<string> {
  const folder = join(directory, 'leak');
  await mkdir(folder, { recursive: true });
  for (const [index, [name, text]] of Object.entries(PLACES).entries()) {
    await writeFile(join(folder, name), text(newToken(index % 2 === 0 ? 'qms' : 'qmo')));
  }
  await writeFile(join(folder, 'other.txt'), OTHERS);
  return folder;
}

const EXPECTED = Object.keys(PLACES).sort();

describeWith(
  ['gitleaks', 'detectsecrets', 'secretlint'],
  'scanners for secrets with our rules',
  (scanners) => {
    it('gitleaks finds a token in every place', async () => {
      const tool = scanners.gitleaks;
      const report = join(tool.directory, 'report.json');
      const args = ['--config', join(RULES, 'gitleaks.toml'), '--report-path', report];
      const { code } = await runTool(tool, ['dir', await leak(tool), '--no-banner', ...args]);
      expect(code).toBe(1);
      const found = JSON.parse(await readFile(report, 'utf8')) as {
        RuleID: string;
        File: string;
      }[];
      const ours = found.filter(({ RuleID }) => RuleID === 'quaymaster-token');
      expect(ours.map(({ File }) => File.split('/').at(-1)).sort()).toEqual(EXPECTED);
    });

    it('detect-secrets finds a token in every place', async () => {
      const tool = scanners.detectsecrets;
      const folder = await leak(tool);
      const python = join(installedDirectory(DETECT_SECRETS), 'bin', 'python');
      const plugin = join(RULES, 'quaymaster_token.py');
      const args = ['-m', 'detect_secrets', 'scan', '--all-files', '--plugin', plugin, '.'];
      const { stdout } = await runTool({ ...tool, program: python }, args, { cwd: folder });
      const { results } = JSON.parse(stdout) as { results: Record<string, { type: string }[]> };
      const ours = Object.entries(results).filter(([, found]) =>
        found.some(({ type }) => type === 'Quaymaster Token'),
      );
      expect(ours.map(([file]) => file).sort()).toEqual(EXPECTED);
    });

    it('secretlint finds a token in every place', async () => {
      const tool = scanners.secretlint;
      const folder = await leak(tool);
      const config = join(RULES, 'secretlint.json');
      const args = [
        tool.program,
        '--secretlintrc',
        config,
        '--format',
        'json',
        '--maskSecrets',
        '**/*',
      ];
      const { code, stdout } = await runTool({ ...tool, program: process.execPath }, args, {
        cwd: folder,
      });
      expect(code).toBe(1);
      const found = JSON.parse(stdout) as { filePath: string; messages: unknown[] }[];
      const ours = found.filter(({ messages }) => messages.length > 0);
      expect(ours.map(({ filePath }) => filePath.split('/').at(-1)).sort()).toEqual(EXPECTED);
    });
  },
);

describe('the rule for TruffleHog', () => {
  it('has the expression of the other rules', async () => {
    const rules = load(await readFile(join(RULES, 'trufflehog.yaml'), 'utf8')) as {
      detectors: { keywords: string[]; regex: { token: string } }[];
    };
    const [{ keywords, regex }] = rules.detectors as [(typeof rules.detectors)[0]];
    expect(keywords).toEqual(['qms_', 'qmo_', 'qmw_', 'qme_']);
    const texts = Object.values(PLACES).map((text) => text(newToken('qmo')));
    const expression = new RegExp(regex.token);
    expect(texts.filter((text) => !expression.test(text))).toEqual([]);
    expect(expression.test(OTHERS)).toBe(false);
  });
});

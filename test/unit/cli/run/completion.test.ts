import { execFileSync } from 'node:child_process';
import { expect, it } from '@jest/globals';
import { describeWithProgram } from '../../../kit/backends/describe-with-program.ts';
import { commandTree } from '../../../../src/cli/run/completion.ts';
import { completionScript } from '../../../../src/cli/run/completion.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';
import { createProgram } from '../../../../src/program/program.ts';

removeTreesAfterEach();

const tree = commandTree(createProgram());

describeWithProgram('bash', 'completion', () => {
  it.each([
    [['pol'], ['policy']],
    [['policy', 'te'], ['test']],
    [['--x', 'policy', 'test', 'file', '--poli'], ['--policies']],
    [
      ['operator', 'token', ''],
      ['create', 'ls', 'list', 'revoke'],
    ],
    [['get', 'policy', '--rev'], ['--reveal']],
    [
      ['get', '-o', ''],
      ['table', 'json', 'yaml', 'dotenv'],
    ],
    [['ls', '--output', 'j'], ['json']],
    [
      ['audit', 'search', '--outcome', ''],
      ['ok', 'deny', 'error'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [
      ['ls', '--profile', ''],
      ['dev', 'prod'],
    ],
    [['profile', 'rm', 'p'], ['prod']],
    [['get', 'pay'], ['payments/db']],
    [['get', '--profile', 'prod', 'pay'], ['payments/live']],
    [['policy', 'get', ''], ['shop-web']],
    [['dele'], ['delete']],
  ])('completes %j in bash to %j', async (words, expected) => {
    const home = await fileTree({
      'quaymaster/current': 'dev\n',
      'quaymaster/profiles/dev.json': '{}',
      'quaymaster/profiles/prod.json': '{}',
      'quaymaster/names/dev/paths': 'payments/db\nshop/mail\n',
      'quaymaster/names/dev/policies': 'shop-web\n',
      'quaymaster/names/prod/paths': 'payments/live\n',
    });
    const line = ['quaymaster', ...words].map((word) => `'${word}'`).join(' ');
    const script = `${completionScript('bash', 'quaymaster', tree)}
      COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _quaymaster; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { ...process.env, XDG_CONFIG_HOME: home };
    const offered = execFileSync('bash', ['-c', script], { encoding: 'utf8', env })
      .trim()
      .split('\n');
    expect(offered.filter((word) => !word.startsWith('--') || expected.includes(word))).toEqual(
      expected,
    );
  });

  it.each(['zsh', 'fish'] as const)('has every command and every option in %s', (shell) => {
    const script = completionScript(shell, 'quaymaster', tree);
    for (const { path, options } of tree) {
      expect(script).toContain(`'${path.map((word) => ` ${word}`).join('')}'`);
      for (const { flag } of options) expect(script).toContain(flag.replace('--', ''));
    }
  });
});

import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { commandTree } from '../../../../src/cli/run/completion.ts';
import { completionScript } from '../../../../src/cli/run/completion.ts';
import { createProgram } from '../../../../src/program/program.ts';

const tree = commandTree(createProgram());

describe('completion', () => {
  it.each([
    [['pol'], ['policy']],
    [['policy', 'te'], ['test']],
    [['--x', 'policy', 'test', 'file', '--poli'], ['--policies']],
    [
      ['operator', 'token', ''],
      ['create', 'ls', 'revoke'],
    ],
    [['get', 'policy', '--rev'], ['--reveal']],
  ])('completes %j in bash to %j', (words, expected) => {
    const line = ['quaymaster', ...words].map((word) => `'${word}'`).join(' ');
    const script = `${completionScript('bash', 'quaymaster', tree)}
      COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _quaymaster; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const offered = execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split('\n');
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

import { describe, expect, it } from '@jest/globals';
import { shellBlocks } from '../kit/pages/pasted-page.ts';
import { textOf, trackedFiles } from '../kit/pages/tracked-files.ts';

/** Verbs that take something away from other people: access, credentials, values or the service. */
const DANGEROUS = [
  /\bquaymaster (?:seal|rm|destroy|release|restore)\b/,
  /\bquaymaster (?:lease revoke|session end|quarantine add|incident open|alert dismiss)\b/,
  /\bquaymaster (?:operator sign-out|operator token revoke|second-factor rm)\b/,
  /\bquaymaster (?:custom-resource prune|keys retire-kek|rotate (?:abort|rollback|retire))\b/,
  /\bquaymaster (?:policy|mount|cluster|operator|definition|role-binding|posture-profile|response-rule) rm\b/,
  /\bquaymaster cluster unenroll\b/,
  /\bquaymaster \S.* --(?:incident|compromised)\b/,
  /-X DELETE\b|\/seal\b|:(?:revoke|end|destroy|delete)\b/,
  /\bvault delete\b|\bkubectl delete\b/,
];
/** Words of a sentence that says what the command takes away. */
const WARNING =
  /\b(?:refuses?|ends?|revokes?|deletes?|destroys?|removes?|replaces?|stops?|quarantines?|dismiss(?:es)?|seals?|unlocks?|cuts? (?:it |the \S+ |a \S+ )?off|rewraps?|rotates?|without undo)\b/i;

/** The page in which each block has the examples of one command, after the text of its help. */
const REFERENCE = 'docs/commands.md';
const pages = trackedFiles().filter((path) => path.endsWith('.md') && path !== REFERENCE);

/** Whole commands: a line that ends with a backslash continues in the next, and a here-document belongs to its command. */
function commandsOf(block: string): readonly string[] {
  return block
    .replaceAll(/\\\n/g, ' ')
    .replaceAll(/<<'?(\w+)'?([^]*?)^\1$/gm, '')
    .split('\n')
    .filter((line) => line.trim() !== '');
}

function isDangerous(command: string): boolean {
  return !command.includes('--dry-run') && DANGEROUS.some((verb) => verb.test(command));
}

interface Dangerous {
  readonly place: string;
  readonly commands: readonly string[];
  /** The paragraph before the block. */
  readonly before: string;
}

function dangerousBlocks(page: string): readonly Dangerous[] {
  const lines = textOf(page).split('\n');
  return shellBlocks(page)
    .map(({ text, line }) => ({
      place: `${page}:${line}`,
      commands: commandsOf(text),
      before:
        lines
          .slice(0, line - 1)
          .join('\n')
          .trim()
          .split(/\n\s*\n/)
          .at(-1) ?? '',
    }))
    .filter(({ commands }) => commands.some(isDangerous));
}

const found = pages.flatMap(dangerousBlocks);

describe('commands in pages that take something away', () => {
  it('are found', () => {
    expect(found.length).toBeGreaterThan(20);
    expect(found.map(({ place }) => place)).toContainEqual(
      expect.stringMatching(/^docs\/api\.md:/),
    );
  });

  it.each(found.map((block) => [block.place, block] as const))(
    '%s stands alone, after a sentence that says what it does',
    (_, { commands, before }) => {
      expect(commands).toHaveLength(1);
      expect(before).toMatch(WARNING);
    },
  );
});

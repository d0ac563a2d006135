import { describe, expect, it } from '@jest/globals';
import { ITEM_ANNOTATIONS, POD_ANNOTATIONS } from '../../src/delivery/injector/annotations.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

const [, table = ''] =
  /## Annotations([^]*?)## What a pod gets/.exec(textOf('docs/injection.md')) ?? [];
const documented = [...table.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell = '']) =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
);

describe('docs/injection.md', () => {
  it('has every annotation that the injector understands, and no other', () => {
    const known = [
      // Only the injector writes the marker: the page explains it below the table.
      ...POD_ANNOTATIONS.filter((name) => name !== 'injected'),
      ...ITEM_ANNOTATIONS.map((name) => `${name}-<name>`),
    ];
    expect([...documented].sort()).toEqual([...known].sort());
  });
});

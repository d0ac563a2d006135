import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { isWithinBounds } from '../../src/domain/secrets/locator-bounds.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/providers/kubernetes.md'), 'utf8');

describe('the locators of the example for Kubernetes', () => {
  const [, list = ''] = /^ *locators: \[(.+)\]$/m.exec(PAGE) ?? [];
  const locators = [...list.matchAll(/'([^']+)'/g)].map(([, text = '']) => text);

  it('allow Secrets and their keys, and the tokens of the one account that they name', () => {
    for (const place of [
      'payments/db',
      'payments/db/password',
      'ci/serviceaccounts/deployer/token',
    ])
      expect({ place, isWithin: isWithinBounds(place, locators) }).toEqual({
        place,
        isWithin: true,
      });
    for (const place of [
      'payments/serviceaccounts/default/token',
      'ci/db',
      'ci/serviceaccounts/x/token',
    ])
      expect({ place, isWithin: isWithinBounds(place, locators) }).toEqual({
        place,
        isWithin: false,
      });
  });
});

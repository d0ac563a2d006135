import { describe, expect, it } from '@jest/globals';
import { childEnvironment } from '../../../../../src/delivery/agent/child/environment.ts';
import { DeliveryError } from '../../../../../src/delivery/failures.ts';
import { heldSecrets } from '../../../../kit/delivery/held-secret.ts';

const WANTED = { PASSWORD: { secret: 'db', key: 'password' } };

describe('the environment of a child', () => {
  it('has what the kernel accepts, and reports what it does not accept, without the value', () => {
    const longest = 131_072 - 'PASSWORD='.length - 1;
    const of = (length: number) =>
      childEnvironment(WANTED, heldSecrets({ db: { password: 'x'.repeat(length) } }), {});
    expect(of(longest)['PASSWORD']).toHaveLength(longest);
    let failure: unknown;
    try {
      of(longest + 1);
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(DeliveryError);
    expect((failure as Error).message).toContain('too long for a variable');
    expect((failure as Error).message).not.toContain('xxx');
  });
});

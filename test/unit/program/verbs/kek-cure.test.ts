import { expect, it } from '@jest/globals';
import { kekCure } from '../../../../src/program/verbs/check-files.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';

const sealedBy = (code: string): BrokerError =>
  new BrokerError('ERR_SEALED', undefined, { cause: Object.assign(new Error(code), { code }) });

it('does not call a key lost that belongs to another user', () => {
  const refused = new BrokerError('ERR_CONFIG_INVALID', 'must belong to this user or to root');
  for (const failure of [refused, sealedBy('EACCES')]) {
    expect(kekCure(failure)).toMatch(/^the key is not lost: .* sudo -u quaymaster/);
    expect(kekCure(failure)).toContain('do not create another key');
  }
});

it('says where to read on about a key that is gone', () => {
  for (const failure of [sealedBy('ENOENT'), new BrokerError('ERR_SEALED')])
    expect(kekCure(failure)).toContain('A lost key-encryption key');
});

import { describe, expect, it } from '@jest/globals';
import { keepManifest } from '../../../../src/auth/pod-watch/kept-manifest.ts';
import { processFingerprint } from '../../../../src/crypto/hashes/process-fingerprint.ts';

const LONG = 'correct-horse-battery';

function keptOf(spec: object): unknown {
  return keepManifest({ metadata: {}, spec, status: {} }).read();
}

describe('a kept manifest', () => {
  it.each(['initContainers', 'containers', 'ephemeralContainers'])(
    'has a fingerprint of each value of 16 characters or more of %s, and no value',
    (list) => {
      const env = [
        { name: 'LONG', value: LONG },
        { name: 'SHORT', value: 'fifteen-letters' },
        { name: 'FORGED', valueFingerprint: processFingerprint(LONG) },
        { name: 'ODD', value: 7 },
        'odd',
      ];
      expect(keptOf({ [list]: [{ name: 'web', env }] })).toMatchObject({
        spec: {
          [list]: [
            {
              env: [
                { name: 'LONG', valueFingerprint: processFingerprint(LONG) },
                { name: 'SHORT' },
                { name: 'FORGED' },
                { name: 'ODD' },
                'odd',
              ],
            },
          ],
        },
      });
    },
  );

  it('marks values beyond 256 of the pod as not compared (EV10)', () => {
    const env = Array.from({ length: 130 }, (_, at) => ({ name: `V${at}`, value: LONG }));
    const { spec } = keptOf({ initContainers: [{ env }], containers: [{ env }] }) as {
      spec: { containers: [{ env: { valueFingerprint: string }[] }] };
    };
    const fingerprints = spec.containers[0].env.map((each) => each.valueFingerprint);
    expect(fingerprints.filter((each) => each === '')).toHaveLength(4);
    expect(fingerprints.lastIndexOf(processFingerprint(LONG))).toBe(125);
  });
});

import type { Clock } from '../../ports/clock.ts';
import type { RotationConnection } from '../../ports/rotation-target.ts';
import { parseOptions } from '../parse-options.ts';
import { unknownStrategy } from '../rotator/options.ts';
import { certificateOptions, generatedOptions, keyPairOptions } from './config.ts';
import { MadeCertificate, MadeKeyPair, MadeTexts, type MadeValue } from './values.ts';
import { MadeTarget } from './rotator.ts';

type Make = (options: unknown, clock: Clock) => MadeValue;
const STRATEGIES: Readonly<Record<string, Make>> = {
  generated: (options) => new MadeTexts(parseOptions(generatedOptions, options)),
  'key-pair': (options) => new MadeKeyPair(parseOptions(keyPairOptions, options)),
  certificate: (options, clock) =>
    new MadeCertificate(parseOptions(certificateOptions, options), clock),
};

/** The connection that is always there: values that are made here and that nobody else has to be told of. */
export function connectGenerated(clock: Clock): RotationConnection {
  return {
    name: 'generated',
    kind: 'generated',
    target(strategy, options) {
      const make = Object.hasOwn(STRATEGIES, strategy) ? STRATEGIES[strategy] : undefined;
      if (make === undefined) throw unknownStrategy(Object.keys(STRATEGIES));
      return new MadeTarget(make(options, clock));
    },
  };
}

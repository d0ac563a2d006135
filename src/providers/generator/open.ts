import type { Clock } from '../../ports/clock.ts';
import type { Backend } from '../../ports/backend.ts';
import { parseOptions } from '../parse-options.ts';
import { unknownStrategy } from '../rotator/options.ts';
import { certificateOptions, generatedOptions, keyPairOptions } from './config.ts';
import {
  GeneratedCertificate,
  GeneratedKeyPair,
  GeneratedTexts,
  type GeneratedValue,
} from './values.ts';
import { GeneratorTarget } from './rotator.ts';

type Create = (options: unknown, clock: Clock) => GeneratedValue;
const STRATEGIES: Readonly<Record<string, Create>> = {
  generated: (options) => new GeneratedTexts(parseOptions(generatedOptions, options)),
  'key-pair': (options) => new GeneratedKeyPair(parseOptions(keyPairOptions, options)),
  certificate: (options, clock) =>
    new GeneratedCertificate(parseOptions(certificateOptions, options), clock),
};

/** The built-in connection that generates values which only the provider stores. */
export function openGenerator({
  clock,
}: {
  readonly clock: Clock;
}): Required<Pick<Backend, 'rotation' | 'close'>> {
  return {
    rotation: {
      name: 'generated',
      kind: 'generated',
      target(strategy, options) {
        const generator = Object.hasOwn(STRATEGIES, strategy) ? STRATEGIES[strategy] : undefined;
        if (generator === undefined) throw unknownStrategy(Object.keys(STRATEGIES));
        return new GeneratorTarget(generator(options, clock));
      },
    },
    close: () => undefined,
  };
}

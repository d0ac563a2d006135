import { cidrHolds } from '../network/cidr.ts';
import type { Cidr } from '../network/cidr.ts';
import { parseIpAddress } from '../network/ip-address.ts';
import type { IpAddress } from '../network/ip-address.ts';
import { timeWindowHolds } from '../time/time-window.ts';
import type { TimeWindow } from '../time/time-window.ts';
import type { BoundRule, LabelSet } from './bound-rule.ts';
import type { Certainty, counts } from './certainty.ts';
import type { ViewRequest } from './decision.ts';

/** The last instant that ECMA-262 can represent as a date ("time values"). */
const LAST_INSTANT = 8.64e15;

/** A fact of a request that a rule may depend on. */
export type RuleFact = 'podLabels' | 'sourceAddress' | 'time' | 'sealed';

/** Facts of one request that conditions need. The address is parsed once, and only if a rule needs it. */
export class RequestFacts {
  readonly #request: ViewRequest;
  #address: IpAddress | 'unparsed' | undefined = 'unparsed';

  constructor(request: ViewRequest) {
    this.#request = request;
  }

  labels(sets: readonly LabelSet[] | undefined): Certainty {
    if (sets === undefined) return 'yes';
    const { podLabels } = this.#request;
    if (podLabels === undefined) return 'unknown';
    const hasOne = sets.some((set) => set.every(([key, value]) => podLabels.get(key) === value));
    return hasOne ? 'yes' : 'no';
  }

  source(cidrs: readonly Cidr[] | undefined): Certainty {
    if (cidrs === undefined) return 'yes';
    if (this.#address === 'unparsed') this.#address = parseIpAddress(this.#request.sourceAddress);
    const address = this.#address;
    if (address === undefined) return 'unknown';
    return cidrs.some((cidr) => cidrHolds(cidr, address)) ? 'yes' : 'no';
  }

  time(windows: readonly TimeWindow[] | undefined): Certainty {
    if (windows === undefined) return 'yes';
    const { now } = this.#request;
    if (!(Math.abs(now) <= LAST_INSTANT)) return 'unknown';
    return windows.some((window) => timeWindowHolds(window, now)) ? 'yes' : 'no';
  }

  delivery(sealed: boolean | undefined): Certainty {
    if (sealed === undefined) return 'yes';
    const { sealed: isSealed } = this.#request;
    if (isSealed === undefined) return 'unknown';
    return isSealed === sealed ? 'yes' : 'no';
  }

  /** Reports whether labels and conditions of a rule hold; `counting` decides how unknown facts count. */
  count(rule: BoundRule, counting: typeof counts): boolean {
    const { effect } = rule;
    return (
      counting(this.labels(rule.labelSets), effect) &&
      counting(this.source(rule.sourceCidrs), effect) &&
      counting(this.time(rule.timeWindows), effect) &&
      counting(this.delivery(rule.sealedDelivery), effect)
    );
  }

  /** Reports whether a known fact excludes the rule, and which facts it needs that the request lacks. */
  of(rule: BoundRule): { readonly isExcluded: boolean; readonly missing: readonly RuleFact[] } {
    const found: readonly (readonly [RuleFact, Certainty])[] = [
      ['podLabels', this.labels(rule.labelSets)],
      ['sourceAddress', this.source(rule.sourceCidrs)],
      ['time', this.time(rule.timeWindows)],
      ['sealed', this.delivery(rule.sealedDelivery)],
    ];
    return {
      isExcluded: found.some(([, certainty]) => certainty === 'no'),
      missing: found.filter(([, certainty]) => certainty === 'unknown').map(([fact]) => fact),
    };
  }
}

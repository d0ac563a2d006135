import { BrokerError } from '../errors.ts';
import { PRIORITIES, type Priority } from './alert.ts';

/** Longer texts are cut: the log and the table of alerts keep them. */
const LONGEST_TEXT = 256;
const MOST_TAGS = 64;
/** Texts that sources write for an unknown fact. */
const UNKNOWN: readonly string[] = ['', '<NA>', 'null', 'N/A'];
const CONTAINER_ID = /^(?:[a-z0-9.-]+:\/\/)?([0-9a-f]{12,64})$/;
const DECIMAL = /^\d{1,16}$/;
const DIGEST = /(sha256:[0-9a-f]{64})$/;

type Members = Readonly<Record<string, unknown>>;

/** One value of an alert. Reads only own members, so that names such as `constructor` are never found, and never throws. */
export class AlertNode {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }

  at(...names: readonly string[]): AlertNode {
    let value = this.value;
    for (const name of names) {
      const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
      value =
        isObject && Object.hasOwn(value as object, name) ? (value as Members)[name] : undefined;
    }
    return new AlertNode(value);
  }

  items(): readonly AlertNode[] {
    return Array.isArray(this.value) ? this.value.map((item) => new AlertNode(item)) : [];
  }

  /** A text without control characters; undefined if there is none or the source does not know it. */
  text(): string | undefined {
    if (typeof this.value !== 'string') return undefined;
    const text = this.value.replaceAll(/\p{Cc}+/gu, ' ').trim();
    return UNKNOWN.includes(text) ? undefined : text.slice(0, LONGEST_TEXT);
  }

  number(): number | undefined {
    return typeof this.value === 'number' && Number.isFinite(this.value) ? this.value : undefined;
  }

  /** A whole number, also as text: JSON of Protocol Buffers writes 64-bit integers as texts. */
  integer(): number | undefined {
    const number = this.number() ?? (DECIMAL.test(this.text() ?? '') ? Number(this.value) : NaN);
    return Number.isSafeInteger(number) ? number : undefined;
  }

  texts(): readonly string[] {
    return this.items()
      .slice(0, MOST_TAGS)
      .flatMap((item) => item.text() ?? []);
  }

  /** Milliseconds since the epoch. */
  instant(): number | undefined {
    const text = this.text();
    const instant = text === undefined ? Number.NaN : Date.parse(text);
    return Number.isNaN(instant) ? undefined : instant;
  }

  /** The hexadecimal digits of a container id, without the runtime before them. */
  containerId(): string | undefined {
    return CONTAINER_ID.exec(this.text() ?? '')?.[1];
  }

  /** The digest at the end of `repository@sha256:…`, or a bare digest. */
  digest(): string | undefined {
    return DIGEST.exec(this.text() ?? '')?.[1];
  }

  priority(): Priority | undefined {
    const word = this.text()?.toLowerCase() ?? '';
    if (word === 'info') return 'informational';
    return PRIORITIES.find((each) => each === word);
  }
}

/** @throws ERR_BODY_INVALID */
export function required<T>(value: T | undefined, pointer: string, message: string): T {
  if (value !== undefined) return value;
  throw new BrokerError('ERR_BODY_INVALID', undefined, { problems: [{ pointer, message }] });
}

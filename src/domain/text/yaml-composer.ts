import type * as yamlModule from 'js-yaml';
import type { AliasEvent, Event, MappingEvent, ScalarEvent, SequenceEvent } from 'js-yaml';
import { offsetAt, type Yaml } from './yaml-places.ts';
import { NO_ALIAS, NO_ALIASES, type YamlFault } from './yaml-problems.ts';

type NodeEvent = ScalarEvent | SequenceEvent | MappingEvent;

/** Most values that the aliases of a text may stand for: ten lines of aliases of aliases stand for billions. */
const MOST_ALIASED = 10_000;
const CORE = 'tag:yaml.org,2002:';

interface Anchored {
  readonly value: unknown;
  /** Number of values in the anchored node, itself included. */
  readonly size: number;
}

/** Composes the values of a text from the events of its parser, and finds what the parser accepts but a strict reader does not. */
export class YamlComposer {
  readonly faults: YamlFault[] = [];
  readonly #yaml: Yaml;
  readonly #text: string;
  readonly #events: readonly Event[];
  readonly #allowAliases: boolean;
  /** The types of plain text, in the core schema of YAML 1.2. */
  readonly #types: readonly yamlModule.ScalarTagDefinition[];
  #at = 0;
  #values = 0;
  #aliased = 0;
  #anchors = new Map<string, Anchored>();

  constructor(yaml: Yaml, text: string, events: readonly Event[], allowAliases: boolean) {
    this.#yaml = yaml;
    this.#text = text;
    this.#events = events;
    this.#allowAliases = allowAliases;
    this.#types = [yaml.nullCoreTag, yaml.boolCoreTag, yaml.intCoreTag, yaml.floatCoreTag];
  }

  /** The value of the document whose first event is at the index. */
  document(index: number): unknown {
    this.#at = index + 1;
    this.#anchors = new Map();
    return this.#value();
  }

  /** Reads a value recursively; the parser bounds the depth. */
  #value(): unknown {
    const event = this.#events[this.#at++] as NodeEvent | AliasEvent;
    if (event.type === this.#yaml.EVENT_ID.ALIAS) return this.#alias(event);
    const { anchorStart, anchorEnd, tagStart } = event;
    if (!this.#allowAliases && (anchorStart !== -1 || tagStart !== -1)) {
      this.#refuse(NO_ALIASES, Math.max(tagStart, anchorStart - 1));
    }
    const before = this.#values++;
    const value = this.#content(event);
    if (anchorStart !== -1) {
      const size = this.#values - before;
      this.#anchors.set(this.#text.slice(anchorStart, anchorEnd), { value, size });
    }
    return value;
  }

  #content(event: NodeEvent): unknown {
    if (event.type === this.#yaml.EVENT_ID.SCALAR) return this.#scalar(event);
    const isMapping = event.type === this.#yaml.EVENT_ID.MAPPING;
    const tag = this.#tagOf(event);
    if (tag !== undefined && tag !== (isMapping ? 'map' : 'seq')) this.#refuseTag(event);
    return isMapping ? this.#mapping() : this.#sequence();
  }

  #sequence(): readonly unknown[] {
    const items: unknown[] = [];
    while (!this.#isEnd()) items.push(this.#value());
    return items;
  }

  /** `Object.fromEntries` makes `__proto__` a field like others. */
  #mapping(): object {
    const fields = new Map<string, unknown>();
    while (!this.#isEnd()) {
      const offset = offsetAt(this.#events, this.#at, this.#yaml);
      const key = this.#key();
      if (key === undefined) this.#refuse('is not valid YAML: a key must be a text', offset);
      else if (fields.has(key)) this.#refuse('is not valid YAML: duplicate key', offset);
      fields.set(key ?? '', this.#value());
    }
    return Object.fromEntries(fields);
  }

  /** A key is compared by its text: `1`, `1.0` and `"1.0"` are not numbers as keys. */
  #key(): string | undefined {
    const event = this.#events[this.#at] as Event;
    this.#value();
    return event.type === this.#yaml.EVENT_ID.SCALAR
      ? this.#yaml.getScalarValue(this.#text, event)
      : undefined;
  }

  #scalar(event: ScalarEvent): unknown {
    const text = this.#yaml.getScalarValue(this.#text, event);
    const tag = this.#tagOf(event);
    if (tag === undefined && event.style !== this.#yaml.SCALAR_STYLE.PLAIN) return text;
    for (const type of this.#types) {
      if (tag !== undefined && type.tagName !== CORE + tag) continue;
      const value: unknown = type.resolve(text, tag !== undefined, type.tagName);
      if (value !== this.#yaml.NOT_RESOLVED) return value;
    }
    if (tag !== undefined && tag !== 'str') this.#refuseTag(event);
    return text;
  }

  /** The name of a tag of the core schema, such as `str`. The tag `!` means the same as quotes. */
  #tagOf({ tagStart, tagEnd, type }: NodeEvent): string | undefined {
    if (tagStart === -1) return undefined;
    const tag = this.#text.slice(tagStart, tagEnd);
    if (tag !== '!') return tag.startsWith('!!') ? tag.slice(2) : tag;
    return type === this.#yaml.EVENT_ID.SCALAR ? 'str' : undefined;
  }

  #alias({ anchorStart, anchorEnd }: AliasEvent): unknown {
    if (!this.#allowAliases) return this.#refuse(NO_ALIASES, anchorStart - 1);
    const anchored = this.#anchors.get(this.#text.slice(anchorStart, anchorEnd));
    if (anchored === undefined) return this.#refuse(NO_ALIAS, anchorStart - 1);
    this.#values += anchored.size;
    this.#aliased += anchored.size;
    if (this.#aliased <= MOST_ALIASED) return anchored.value;
    return this.#refuse('is not valid YAML: too many aliases', anchorStart - 1);
  }

  #refuseTag({ tagStart }: NodeEvent): void {
    if (!this.#allowAliases) return;
    this.#refuse('is not valid YAML: the value does not have the type of its tag', tagStart);
  }

  /** @returns a placeholder for the refused value */
  #refuse(message: string, offset: number): null {
    this.faults.push({ message, offset });
    return null;
  }

  /** Reports whether the collection ends here. */
  #isEnd(): boolean {
    if (this.#events[this.#at]?.type !== this.#yaml.EVENT_ID.POP) return false;
    this.#at += 1;
    return true;
  }
}

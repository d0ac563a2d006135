import { pointerTo } from '../words/json-pointer.ts';

/** A value of an untrusted document (`whole`) has a type or content that its place does not accept. */
export class MalformedJson extends Error {
  readonly pointer: string;
  constructor(pointer: string, message: string, whole = 'the document') {
    super(`${pointer === '' ? whole : pointer} ${message}`);
    this.pointer = pointer;
  }
}

/**
 * A value of an untrusted document and its JSON pointer. Only own members are read. `null` reads as absent, as in Kubernetes. A value of another type
 * than expected ends the reading, so a document that its own system would refuse never passes a check.
 */
export class JsonNode {
  readonly value: unknown;
  readonly pointer: string;
  readonly #whole: string | undefined;

  /** @param whole names the document in messages about its root */
  constructor(value: unknown, pointer: string, whole?: string) {
    this.value = value ?? undefined;
    this.pointer = pointer;
    this.#whole = whole;
  }

  get isAbsent(): boolean {
    return this.value === undefined;
  }

  /** The member that the names lead to; absent if one of them is. @throws MalformedJson */
  at(...names: readonly string[]): JsonNode {
    return names.reduce<JsonNode>((node, name) => node.#member(name), this);
  }

  /** The items of a list; none if it is absent. @throws MalformedJson */
  items(): readonly JsonNode[] {
    const { value, pointer } = this;
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw this.#malformed('must be a list');
    return value.map((item, index) => new JsonNode(item, pointer + pointerTo([index])));
  }

  /** The members of an object; none if it is absent. @throws MalformedJson */
  members(): readonly (readonly [name: string, member: JsonNode])[] {
    return Object.keys(this.#object()).map((name) => [name, this.#member(name)]);
  }

  /** @throws MalformedJson */
  text(): string | undefined {
    const { value } = this;
    if (value === undefined || typeof value === 'string') return value;
    throw this.#malformed('must be a string');
  }

  #member(name: string): JsonNode {
    const object = this.#object();
    const value = Object.hasOwn(object, name) ? object[name] : undefined;
    return new JsonNode(value, this.pointer + pointerTo([name]));
  }

  #object(): Readonly<Record<string, unknown>> {
    const { value } = this;
    if (value === undefined) return {};
    if (typeof value !== 'object' || Array.isArray(value))
      throw this.#malformed('must be an object');
    return value as Readonly<Record<string, unknown>>;
  }

  #malformed(message: string): MalformedJson {
    return new MalformedJson(this.pointer, message, this.#whole);
  }
}

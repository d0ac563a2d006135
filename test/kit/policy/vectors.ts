import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const read = (name: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../../vectors', `${name}.json`), 'utf8'));

export const DOCUMENTS = read('policy-documents-v1') as {
  readonly valid: { readonly spec: object };
  readonly refused: readonly {
    readonly set: string;
    readonly value: unknown;
    readonly at: string;
  }[];
};

export const ADDRESSES = read('policy-addresses-v1') as {
  readonly networks: readonly {
    readonly cidr: string;
    readonly holds: readonly string[];
    readonly not: readonly string[];
  }[];
  readonly notNetworks: readonly string[];
  readonly notAddresses: readonly string[];
};

export const TIME_WINDOWS = read('policy-time-windows-v1') as {
  readonly windows: readonly {
    readonly why: string;
    readonly window: object;
    readonly inside: readonly string[];
    readonly outside: readonly string[];
  }[];
};

export interface DecisionFacts {
  readonly cluster?: string;
  readonly namespace?: string;
  readonly pod?: { readonly name: string; readonly uid: string } | null;
  readonly capability?: 'read' | 'list' | 'write' | 'rotate';
  readonly podLabels?: Readonly<Record<string, string>> | null;
  readonly sourceAddress?: string;
  readonly now?: string;
  readonly sealed?: boolean;
}

export const DECISIONS = read('policy-decisions-v1') as {
  readonly policies: readonly {
    readonly name: string;
    readonly version: number;
    readonly subjects: readonly unknown[];
    readonly rules: readonly unknown[];
  }[];
  readonly cases: readonly {
    readonly why: string;
    readonly path: string;
    readonly facts?: DecisionFacts;
    readonly allow?: string;
    readonly deny?: string;
    readonly ttl?: number;
  }[];
};

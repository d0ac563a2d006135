import { afterEach, describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';
import { BrokerError } from '../../src/domain/errors.ts';
import type { SecretData } from '../../src/domain/secrets/secret.ts';
import type { RotationTarget, RotationTurn } from '../../src/ports/rotation-target.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

/** One credential at a real target, created for one test. */
export interface RotationFixture {
  readonly target: RotationTarget;
  /** The current value. It holds more than the credential: the keys of `carried` too, which the target does not own. */
  readonly current: SecretData;
  /** The same target in another process, without the memory of `target`. */
  restart(): Promise<RotationTarget>;
  /** A real login, independent of the tested code. */
  logsIn(data: SecretData): Promise<boolean>;
  /** Everything that a rotation could change there, as comparable text: names, rights, whether a login is allowed. */
  state(): Promise<string>;
  /** A neighbour that must never change: a foreign user and its rights. */
  bystanders(): Promise<string>;
  close(): Promise<void>;
}

/** Names for one test's credential; the fixture chooses the missing ones. */
export interface RotationNames {
  readonly username?: string;
  readonly password?: string;
}

/** The properties and limits of a kind of target; the suite asserts each of them. */
export interface RotationTraits {
  readonly slots: 'one' | 'two';
  readonly drillable: boolean;
  /** `create` creates the credential at the target, so that it works before `set`; only then may it change something. */
  readonly madeByTarget?: true;
  /** The step that revokes the old value for good: `discard` reports so after it, and keeps the new one working. */
  readonly oneWay?: 'create' | 'set';
  /** The old value keeps working until the target itself rotates again: neither `set` nor `retire` revokes it. */
  readonly outlives?: true;
  /** The target keeps the whole value, and no bytes in it. */
  readonly textOnly?: true;
  /** Gap: there is no first value to create, and `create` without a current one is ERR_CONFLICT. */
  readonly needsCurrent?: true;
  /** Another system revokes the old credential in any case, so stale copies do not block the takeover of the new one. */
  readonly follows?: true;
  /** Values name no host, so no host can be compared. */
  readonly hostless?: true;
  /** No remote call: a signal has nothing to cancel, and only `logsIn` judges the value. */
  readonly local?: true;
  /** The target chooses names and passwords itself. */
  readonly unnamed?: true;
  /** Names that cannot exist there; each is refused with ERR_BODY_INVALID when the target is created. */
  readonly impossibleNames?: readonly string[];
}

export const CARRIED_TEXTS: SecretData = { note: 'kept as it is', options: '{"pool":5}' };

export const CARRIED: SecretData = {
  ...CARRIED_TEXTS,
  blob: { base64: 'AAECAwQF/w==' },
};

/** Threat R04: names that end a statement, a string, a pattern or a path if they are not quoted. */
export const HOSTILE_NAMES: readonly string[] = [
  `x"; DROP ROLE y;--`,
  `x'; DROP USER y;--`,
  'back\\slash`tick$$dollar',
  `%s {{name}} \${name} ~* >all`,
  'ключ🔑',
];
const HOSTILE_PASSWORD = `'"\\'; DROP ROLE y;-- $$ \`x\` %s 🔑`;

let rotations = 0;

/** A turn as the engine provides it. `lost`: another process owns the rotation by now. */
export function turnOf(
  current: SecretData | undefined,
  given: {
    readonly lost?: boolean;
    readonly rotationId?: string;
    readonly signal?: AbortSignal;
    readonly isIncident?: boolean;
  } = {},
): RotationTurn {
  rotations += 1;
  return {
    rotationId: given.rotationId ?? `rot_contract${rotations}`,
    startedAt: Date.now(),
    current,
    context: contextOf(given.signal),
    isIncident: given.isIncident ?? false,
    stillOurs() {
      if (given.lost === true) throw claimLost();
    },
  };
}

const claimLost = (): BrokerError =>
  new BrokerError('ERR_CONFLICT', undefined, { reason: 'claim_lost' });

/** Everything printable of an error: message, detail, causes and all fields, also the hidden ones. */
export function wholeText(error: unknown): string {
  return inspect(error, { depth: 20, showHidden: true, maxStringLength: null });
}

/** The contract of every rotation target. `make` is called once a test. */
export function rotationTargetContract(
  name: string,
  make: (names?: RotationNames) => Promise<RotationFixture>,
  traits: RotationTraits,
): void {
  const madeByTarget = traits.madeByTarget === true;
  const local = traits.local === true;
  const oneWay = traits.oneWay !== undefined;
  const outlives = traits.outlives === true;
  const isAliveAfter = {
    create: outlives || traits.oneWay !== 'create',
    set: outlives || traits.slots === 'two',
    retire: outlives,
  };
  const carried = traits.textOnly === true ? CARRIED_TEXTS : CARRIED;

  describe(`${name} as a rotation target`, () => {
    const open: RotationFixture[] = [];
    afterEach(async () => {
      for (const fixture of open.splice(0)) await fixture.close();
    });
    const begin = async (names?: RotationNames): Promise<RotationFixture> => {
      const fixture = await make(names);
      open.push(fixture);
      return fixture;
    };
    /** A fixture with a stored next value, as at the call of `set`. */
    const created = async (names?: RotationNames) => {
      const fixture = await begin(names);
      const turn = turnOf(fixture.current);
      return { fixture, turn, pending: await fixture.target.create(turn) };
    };
    const isSet = async (names?: RotationNames) => {
      const made = await created(names);
      await made.fixture.target.set(made.turn, made.pending);
      return made;
    };

    it('describes itself', async () => {
      const { target } = await begin();
      expect(target.slots).toBe(traits.slots);
      expect(target.drillable).toBe(traits.drillable);
      for (const locator of target.locators) expect(locator).toMatch(/^[^/\s]+(\/[^/\s]+)*$/);
    });

    describe('create', () => {
      it('creates another value, and keeps keys that are not its own', async () => {
        const { fixture, pending } = await created();
        expect(pending).toMatchObject(carried);
        expect(Object.keys(pending).sort()).toEqual(Object.keys(fixture.current).sort());
        expect(pending).not.toEqual(fixture.current);
      });

      it('never creates the same value twice', async () => {
        const { fixture, pending } = await created();
        if (madeByTarget) return;
        expect(await fixture.target.create(turnOf(fixture.current))).not.toEqual(pending);
      });

      it('is repeated by another process for the same rotation', async () => {
        const { fixture, turn } = await created();
        const again = await (await fixture.restart()).create(turn);
        expect(again).toMatchObject(carried);
        await fixture.target.set(turn, again);
        expect(await fixture.logsIn(again)).toBe(true);
      });

      it('changes nothing', async () => {
        const fixture = await begin();
        const before = await fixture.state();
        const pending = await fixture.target.create(turnOf(fixture.current));
        expect(await fixture.logsIn(fixture.current)).toBe(isAliveAfter.create);
        if (!madeByTarget) expect(await fixture.state()).toBe(before);
        if (!madeByTarget && !local) expect(await fixture.logsIn(pending)).toBe(false);
      });

      it('creates the first value of an empty path, or reports that it cannot', async () => {
        const { target, ...fixture } = await begin();
        const turn = turnOf(undefined);
        if (traits.needsCurrent === true) {
          expect((await failureOf(target.create(turn))).code).toBe('ERR_CONFLICT');
          return;
        }
        const pending = await target.create(turn);
        await target.set(turn, pending);
        expect(await fixture.logsIn(pending)).toBe(true);
        expect(await target.test(pending, contextOf())).toEqual({ accepted: true });
      });

      const withCopies = ({ current }: RotationFixture): SecretData => {
        const copies = Object.entries(current)
          .filter(([key]) => !Object.hasOwn(carried, key))
          .map(([, text]) => encodeURIComponent(text as string));
        return { ...current, url: `x://${copies.join(':')}@db` };
      };

      if (traits.follows === true) {
        it('accepts the current value even if it has copies of the old secret', async () => {
          const fixture = await begin();
          const pending = await fixture.target.create(turnOf(withCopies(fixture)));
          expect(pending).not.toEqual(fixture.current);
        });
      } else {
        it('refuses a value with copies of the rotating secret, before anything is changed', async () => {
          const fixture = await begin();
          const before = await fixture.state();
          const error = await failureOf(fixture.target.create(turnOf(withCopies(fixture))));
          expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'stale_copy' });
          expect(await fixture.state()).toBe(before);
          expect(await fixture.logsIn(fixture.current)).toBe(true);
        });
      }

      if (traits.hostless !== true) {
        it('refuses a value that names another host, before anything is changed', async () => {
          const fixture = await begin();
          const before = await fixture.state();
          for (const field of ['host', 'hostname', 'endpoint']) {
            const current = { ...fixture.current, [field]: 'db.elsewhere.example' };
            const error = await failureOf(fixture.target.create(turnOf(current)));
            expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'host_mismatch' });
          }
          expect(await fixture.state()).toBe(before);
          expect(await fixture.logsIn(fixture.current)).toBe(true);
        });

        it('refuses to set a value that names another host', async () => {
          const { fixture, pending } = await created();
          const elsewhere = { host: 'db.elsewhere.example' };
          const turn = turnOf({ ...fixture.current, ...elsewhere });
          const error = await failureOf(fixture.target.set(turn, { ...pending, ...elsewhere }));
          expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'host_mismatch' });
          expect(await fixture.logsIn(fixture.current)).toBe(true);
        });
      }
    });

    describe('set', () => {
      it('makes the target accept the new value', async () => {
        const { fixture, pending } = await isSet();
        expect(await fixture.logsIn(pending)).toBe(true);
        expect(await fixture.target.test(pending, contextOf())).toEqual({ accepted: true });
      });

      it('has the same effect once and twice', async () => {
        const { fixture, turn, pending } = await isSet();
        const before = await fixture.state();
        await fixture.target.set(turn, pending);
        expect(await fixture.state()).toBe(before);
        expect(await fixture.logsIn(pending)).toBe(true);
      });

      it('is repeated by another process that does not know its outcome (F06)', async () => {
        const { fixture, turn, pending } = await created();
        const controller = new AbortController();
        const cut = {
          ...turn,
          context: contextOf(controller.signal),
          stillOurs: () => controller.abort(),
        };
        await fixture.target.set(cut, pending).catch(() => undefined);
        await (await fixture.restart()).set(turn, pending);
        expect(await fixture.logsIn(pending)).toBe(true);
        await (await fixture.restart()).set(turn, pending);
        expect(await fixture.logsIn(pending)).toBe(true);
      });

      it(`leaves the old value ${isAliveAfter.set ? 'working' : 'dead'}`, async () => {
        const { fixture } = await isSet();
        if (local) return;
        expect(await fixture.logsIn(fixture.current)).toBe(isAliveAfter.set);
      });

      if (!madeByTarget && !local) {
        it('stops before the change when another process owns the rotation', async () => {
          const { fixture, pending } = await created();
          const before = await fixture.state();
          const lost = turnOf(fixture.current, { lost: true });
          const error = await failureOf(fixture.target.set(lost, pending));
          expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'claim_lost' });
          expect(await fixture.state()).toBe(before);
          expect(await fixture.logsIn(pending)).toBe(false);
          expect(await fixture.logsIn(fixture.current)).toBe(true);
        });
      }
    });

    describe('test', () => {
      it('refuses a wrong value with a reason, and changes nothing', async () => {
        const { fixture, pending } = await isSet();
        const before = await fixture.state();
        const wrong = Object.fromEntries(
          Object.entries(pending).map(([key, value]) =>
            value === fixture.current[key] ? [key, value] : [key, 'wrong-0123456789-wrong'],
          ),
        );
        const verdict = await fixture.target.test(wrong, contextOf());
        expect(verdict).toEqual({
          accepted: false,
          reason: expect.stringMatching(/^[a-z_]{3,40}$/),
        });
        expect(await fixture.state()).toBe(before);
        expect(await fixture.logsIn(pending)).toBe(true);
      });

      if (!madeByTarget && !local) {
        it('refuses a value that was not set', async () => {
          const { fixture, pending } = await created();
          expect((await fixture.target.test(pending, contextOf())).accepted).toBe(false);
        });
      }
    });

    describe('retire', () => {
      it(`${outlives ? 'does not revoke' : 'revokes'} the old value, and keeps the new one working`, async () => {
        const { fixture, pending } = await isSet();
        await fixture.target.retire(turnOf(pending), fixture.current);
        expect(await fixture.logsIn(pending)).toBe(true);
        if (!local) expect(await fixture.logsIn(fixture.current)).toBe(isAliveAfter.retire);
      });

      it('has the same effect once and twice, also in another process', async () => {
        const { fixture, pending } = await isSet();
        const turn = turnOf(pending);
        await fixture.target.retire(turn, fixture.current);
        const before = await fixture.state();
        await (await fixture.restart()).retire(turn, fixture.current);
        expect(await fixture.state()).toBe(before);
        expect(await fixture.logsIn(pending)).toBe(true);
      });

      it('never revokes a value that must keep working', async () => {
        const { fixture, pending } = await isSet();
        const ended = fixture.target.retire(turnOf(pending), pending);
        await ended.catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'ERR_CONFLICT' });
        });
        expect(await fixture.logsIn(pending)).toBe(true);
      });

      if (traits.slots === 'two' && !local) {
        it('stops before the change when another process owns the rotation', async () => {
          const { fixture, pending } = await isSet();
          const lost = turnOf(pending, { lost: true });
          const error = await failureOf(fixture.target.retire(lost, fixture.current));
          expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'claim_lost' });
          expect(await fixture.logsIn(fixture.current)).toBe(true);
        });
      }

      it('is followed by a next rotation, and that by another', async () => {
        const fixture = await begin();
        let { current } = fixture;
        for (let round = 0; round < 3; round += 1) {
          const turn = turnOf(current);
          const pending = await fixture.target.create(turn);
          await fixture.target.set(turn, pending);
          expect(await fixture.target.test(pending, contextOf())).toEqual({ accepted: true });
          await fixture.target.retire(turnOf(pending, turn), current);
          if (!local) expect(await fixture.logsIn(current)).toBe(isAliveAfter.retire);
          expect(await fixture.logsIn(pending)).toBe(true);
          current = pending;
        }
      });
    });

    describe('discard', () => {
      if (oneWay) {
        it('reports that the old value cannot be restored, and keeps the new one working', async () => {
          const { fixture, turn, pending } = await isSet();
          const error = await failureOf(fixture.target.discard(turn, pending));
          expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'no_way_back' });
          expect(await fixture.logsIn(pending)).toBe(true);
        });
      }

      if (!oneWay) {
        it('revokes the new value, and the old one works', async () => {
          const { fixture, turn, pending } = await isSet();
          await fixture.target.discard(turn, pending);
          expect(await fixture.logsIn(fixture.current)).toBe(true);
          if (!local) expect(await fixture.logsIn(pending)).toBe(false);
          expect(await fixture.target.test(fixture.current, contextOf())).toEqual({
            accepted: true,
          });
        });

        it('has the same effect once and twice, also in another process', async () => {
          const { fixture, turn, pending } = await isSet();
          await fixture.target.discard(turn, pending);
          const before = await fixture.state();
          await (await fixture.restart()).discard(turn, pending);
          expect(await fixture.state()).toBe(before);
          expect(await fixture.logsIn(fixture.current)).toBe(true);
        });

        it('leaves a target on which the next rotation succeeds', async () => {
          const { fixture, turn, pending } = await isSet();
          await fixture.target.discard(turn, pending);
          const next = turnOf(fixture.current);
          const another = await fixture.target.create(next);
          await fixture.target.set(next, another);
          expect(await fixture.logsIn(another)).toBe(true);
        });
      }

      if (traits.oneWay !== 'create') {
        it('changes nothing for a value that was never set, and the next rotation succeeds', async () => {
          const { fixture, turn, pending } = await created();
          await fixture.target.discard(turn, pending);
          expect(await fixture.logsIn(fixture.current)).toBe(true);
          if (!local) expect(await fixture.logsIn(pending)).toBe(false);
          const next = turnOf(fixture.current);
          const another = await fixture.target.create(next);
          await fixture.target.set(next, another);
          expect(await fixture.logsIn(another)).toBe(true);
        });
      }

      if (!local) {
        it('stops before the change when another process owns the rotation', async () => {
          const { fixture, turn, pending } = await isSet();
          const { rotationId } = turn;
          const lost = turnOf(fixture.current, { lost: true, rotationId });
          const error = await failureOf(fixture.target.discard(lost, pending));
          expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'claim_lost' });
          expect(await fixture.logsIn(pending)).toBe(true);
        });
      }
    });

    if (traits.drillable) {
      it('runs a drill beside the value in use', async () => {
        const { fixture, turn, pending } = await isSet();
        expect(await fixture.logsIn(fixture.current)).toBe(true);
        expect(await fixture.target.test(pending, contextOf())).toEqual({ accepted: true });
        await fixture.target.discard(turn, pending);
        expect(await fixture.logsIn(fixture.current)).toBe(true);
      });
    }

    if (!local) {
      it('aborts each step when its caller disconnected, and has changed nothing', async () => {
        const { fixture, pending } = await created();
        const before = await fixture.state();
        const turn = turnOf(fixture.current, { signal: AbortSignal.abort() });
        const steps = [
          () => fixture.target.set(turn, pending),
          () => fixture.target.test(pending, turn.context),
          () => fixture.target.discard(turn, pending),
        ];
        for (const step of steps) {
          expect(await failureOf(step())).toMatchObject({ code: 'ERR_PROVIDER_TIMEOUT' });
        }
        expect(await fixture.state()).toBe(before);
        expect(await fixture.logsIn(fixture.current)).toBe(isAliveAfter.create);
      });

      it('repeats no value in a refusal', async () => {
        const { fixture, pending } = await created();
        const lost = turnOf(fixture.current, { lost: true });
        const gone = turnOf(fixture.current, { signal: AbortSignal.abort() });
        const outcomes = await Promise.allSettled([
          fixture.target.set(lost, pending),
          fixture.target.set(gone, pending),
          fixture.target.test(pending, contextOf()),
        ]);
        const text = wholeText(outcomes);
        for (const [key, value] of Object.entries(pending)) {
          if (value !== fixture.current[key]) expect(text).not.toContain(value);
        }
      });
    }

    if (traits.unnamed !== true) {
      it.each(HOSTILE_NAMES)('quotes the name %s (R04)', async (username) => {
        if (traits.impossibleNames?.includes(username) === true) {
          await expect(begin({ username })).rejects.toMatchObject({ code: 'ERR_BODY_INVALID' });
          return;
        }
        const { fixture, turn, pending } = await created({ username });
        const others = await fixture.bystanders();
        await fixture.target.set(turn, pending);
        expect(await fixture.target.test(pending, contextOf())).toEqual({ accepted: true });
        expect(await fixture.logsIn(pending)).toBe(true);
        await fixture.target.retire(turnOf(pending, turn), fixture.current);
        expect(await fixture.logsIn(pending)).toBe(true);
        expect(await fixture.bystanders()).toBe(others);
      });

      it('restores a password that holds every kind of quote (R04)', async () => {
        const { fixture, turn, pending } = await isSet({ password: HOSTILE_PASSWORD });
        const others = await fixture.bystanders();
        await fixture.target.discard(turn, pending);
        expect(await fixture.logsIn(fixture.current)).toBe(true);
        expect(await fixture.bystanders()).toBe(others);
      });
    }
  });
}

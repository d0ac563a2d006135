import type { Permission, PostureCode } from './profile.ts';

/** One thing that a profile finds at a pod. */
export interface PostureFinding {
  readonly code: PostureCode;
  /** `fail` and `unknown` count; a finding that is `excepted`, or `unknown` and allowed, does not. */
  readonly status: 'fail' | 'unknown' | 'excepted' | 'tolerated';
  /** The container that has it, if it is one. */
  readonly container?: string;
  /** JSON pointer into the pod. */
  readonly pointer?: string;
  /** For operators; callers see the code. */
  readonly message: string;
  /** Paths of secrets that it is about; only operators that may see them get them. */
  readonly equalSecrets?: readonly string[];
}

/** A finding before the exceptions of the profile. */
export type Found = Omit<PostureFinding, 'status'> & {
  readonly isUnknown?: boolean;
  /** The check itself excepts it, and `message` says why. */
  readonly isExcepted?: boolean;
  readonly onUnknown?: Permission | undefined;
  /** Its repository, or as the container names it. */
  readonly image?: string | undefined;
};

/** What one check finds, and until when it does. */
export interface Checked {
  readonly found: readonly Found[];
  readonly validUntil: number;
}

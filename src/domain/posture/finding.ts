import type { Permission, PostureCode } from './profile.ts';

/** One thing that a profile finds at a pod. */
export interface PostureFinding {
  readonly code: PostureCode;
  /** `fail` and `unknown` count; a finding that is `excepted`, or `unknown` and allowed, does not. */
  readonly status: 'fail' | 'unknown' | 'excepted' | 'tolerated';
  /** Name of the container that the finding is about, if any. */
  readonly container?: string;
  /** JSON pointer into the pod. */
  readonly pointer?: string;
  /** Message for operators; callers see only the code. */
  readonly message: string;
  /** Paths of secrets that the finding is about; only operators that may see them get them. */
  readonly equalSecrets?: readonly string[];
}

/** A finding before the exceptions of the profile. */
export type CheckFinding = Omit<PostureFinding, 'status'> & {
  readonly isUnknown?: boolean;
  /** The check itself excepts it, and `message` says why. */
  readonly isExcepted?: boolean;
  readonly onUnknown?: Permission | undefined;
  /** Repository of the image, or the image name as the container writes it. */
  readonly image?: string | undefined;
};

/** Findings of one check, and the time until which they are valid. */
export interface Checked {
  readonly found: readonly CheckFinding[];
  readonly validUntil: number;
}

// Policies for C and C++: load a file that fpo trained, and act.
//
// Generated from bindings/c/src; see docs/deploying.md for its use.
//
// Threads: one policy is used by one thread at a time; a call while another thread acts with it
// returns FPO_STATUS_BUSY. fpo_policy_clone gives another thread a policy of its own, which shares
// the parameters. fpo_last_error is of the calling thread. No function starts a thread.
//
// Memory: fpo_policy_act allocates nothing.

#ifndef FPO_H
#define FPO_H

#include <stddef.h>
#include <stdint.h>

// What a function returns. `fpo_last_error` has the message of what is not FPO_STATUS_OK.
typedef enum fpo_status {
  // Done.
  FPO_STATUS_OK = 0,
  // A pointer that must not be NULL is.
  FPO_STATUS_NULL_POINTER = 1,
  // A length is not that of the policy's sizes; nothing was written.
  FPO_STATUS_WRONG_LENGTH = 2,
  // An argument that is impossible: a misaligned pointer, an output that overlaps an input, or
  // a maximum of zero rows.
  FPO_STATUS_BAD_ARGUMENT = 3,
  // Buffers for so many rows would be too large.
  FPO_STATUS_TOO_LARGE = 4,
  // The file cannot be read.
  FPO_STATUS_CANNOT_READ = 5,
  // The bytes are not a policy, or a damaged one.
  FPO_STATUS_INVALID_POLICY = 6,
  // An action is not finite, because an observation is not or the network overflows; all
  // actions were set to NaN.
  FPO_STATUS_NOT_FINITE = 7,
  // Another thread is acting with this policy.
  FPO_STATUS_BUSY = 8,
  // A defect of this library.
  FPO_STATUS_INTERNAL = 9,
} fpo_status;

// A loaded policy, with buffers for a number of observations at a time.
typedef struct fpo_policy fpo_policy;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of this library, such as "0.1.0".
const char *fpo_version(void);

// The message of the calling thread's last status that was not FPO_STATUS_OK: one line, in UTF-8,
// empty at first. It is valid until the thread's next call of a function that returns a status.
const char *fpo_last_error(void);

// Loads the policy file at `path`, to act on up to `max_rows` observations at a time, and stores
// it in `*policy`, which fpo_policy_free frees. The file may come from anywhere: it is checked
// before it is used. On failure `*policy` is NULL.
//
// Requires: `path` is a string that ends with a zero; `policy` may be written to.
enum fpo_status fpo_policy_load(const char *path, size_t max_rows, struct fpo_policy **policy);

// Loads a policy file from memory, as fpo_policy_load does. The bytes are not needed afterwards.
//
// Requires: `bytes` are `length` bytes; `policy` may be written to.
enum fpo_status fpo_policy_load_bytes(const uint8_t *bytes,
                                      size_t length,
                                      size_t max_rows,
                                      struct fpo_policy **policy);

// Stores in `*copy` a policy with buffers of its own that shares the parameters of `policy`, for
// another thread. Each is freed by itself, in any order. On failure `*copy` is NULL.
//
// Requires: `policy` came from this library and was not freed; `copy` may be written to.
enum fpo_status fpo_policy_clone(const struct fpo_policy *policy, struct fpo_policy **copy);

// Frees a policy; NULL is allowed. No thread may be using it.
//
// Requires: `policy` is NULL, or came from this library and was not freed.
void fpo_policy_free(struct fpo_policy *policy);

// Turns observations into actions.
//
// * `observation`: `observation_len` numbers, one or more observations of
//   fpo_policy_observation_size numbers after each other, in the task's units
// * `noise`: `noise_len` numbers, fpo_policy_noise_size for each observation: standard normal
//   numbers for a sample, zeros for the deterministic action. NULL with a length of 0 stands for
//   zeros
// * `action`: written with `action_len` numbers, fpo_policy_action_size for each observation, in
//   the task's units. It must not overlap the inputs
//
// Allocates nothing. On FPO_STATUS_NOT_FINITE all actions are NaN; on any other failure nothing
// was written.
//
// Requires: `policy` is NULL, or came from this library and was not freed; the other pointers are NULL or
// point to as many numbers as their lengths say.
enum fpo_status fpo_policy_act(const struct fpo_policy *policy,
                               const float *observation,
                               size_t observation_len,
                               const float *noise,
                               size_t noise_len,
                               float *action,
                               size_t action_len);

// Numbers in an observation; 0 for NULL.
//
// Requires: `policy` is NULL, or came from this library and was not freed.
size_t fpo_policy_observation_size(const struct fpo_policy *policy);

// Numbers in the noise of an action; 0 for NULL.
//
// Requires: `policy` is NULL, or came from this library and was not freed.
size_t fpo_policy_noise_size(const struct fpo_policy *policy);

// Numbers in an action; 0 for NULL.
//
// Requires: `policy` is NULL, or came from this library and was not freed.
size_t fpo_policy_action_size(const struct fpo_policy *policy);

// The most observations that it acts on at a time; 0 for NULL.
//
// Requires: `policy` is NULL, or came from this library and was not freed.
size_t fpo_policy_max_rows(const struct fpo_policy *policy);

// The name of the task that it was trained on, in UTF-8, valid until the policy is freed; NULL for
// NULL.
//
// Requires: `policy` is NULL, or came from this library and was not freed.
const char *fpo_policy_task(const struct fpo_policy *policy);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FPO_H */

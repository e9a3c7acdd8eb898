// Reads observations from standard input and prints an action for each.
//
//     act POLICY [--noise] < observations.txt
//
// A line of input is an observation, in the task's units; with --noise the noise of the action
// follows it. Zero noise gives the deterministic action.

#include <fpo.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what) {
    fprintf(stderr, "error: %s: %s\n", what, fpo_last_error());
    return 1;
}

// Reads `count` numbers; returns 1, 0 at the end of the input, or -1 where it is broken.
static int read_numbers(float *numbers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int found = scanf("%f", &numbers[i]);
        if (found != 1) {
            return found == EOF && i == 0 ? 0 : -1;
        }
    }
    return 1;
}

int main(int argc, char **argv) {
    int with_noise = argc == 3 && strcmp(argv[2], "--noise") == 0;
    if (argc != 2 && !with_noise) {
        fprintf(stderr, "usage: act POLICY [--noise] < observations.txt\n");
        return 2;
    }
    fpo_policy *policy = NULL;
    if (fpo_policy_load(argv[1], 1, &policy) != FPO_STATUS_OK) {
        return fail("cannot load");
    }
    size_t observation_size = fpo_policy_observation_size(policy);
    size_t noise_size = fpo_policy_noise_size(policy);
    size_t action_size = fpo_policy_action_size(policy);
    fprintf(stderr, "%s: %zu observations, %zu actions\n", fpo_policy_task(policy),
            observation_size, action_size);
    float *observation = calloc(observation_size, sizeof(float));
    float *noise = calloc(noise_size, sizeof(float));
    float *action = calloc(action_size, sizeof(float));
    int code = observation && noise && action ? 0 : 1;

    while (code == 0) {
        int more = read_numbers(observation, observation_size);
        if (more > 0 && with_noise) {
            more = read_numbers(noise, noise_size) > 0 ? 1 : -1;
        }
        if (more <= 0) {
            code = more < 0 ? 1 : 0;
            if (code) {
                fprintf(stderr, "error: the input is not whole lines of numbers\n");
            }
            break;
        }
        if (fpo_policy_act(policy, observation, observation_size, with_noise ? noise : NULL,
                           with_noise ? noise_size : 0, action, action_size) != FPO_STATUS_OK) {
            code = fail("cannot act");
            break;
        }
        for (size_t i = 0; i < action_size; i++) {
            // Nine digits are enough to read the same float again.
            printf(i + 1 < action_size ? "%.9g " : "%.9g\n", (double)action[i]);
        }
    }
    free(action);
    free(noise);
    free(observation);
    fpo_policy_free(policy);
    return code;
}

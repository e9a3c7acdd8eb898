// As act.c, in C++, with all observations in one call:
//
//     act POLICY [--noise] < observations.txt

#include <fpo.h>

#include <iomanip>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// A policy that frees itself, and whose failures are exceptions.
class Policy {
public:
    Policy(const std::string &path, std::size_t max_rows) {
        fpo_policy *loaded = nullptr;
        check(fpo_policy_load(path.c_str(), max_rows, &loaded));
        policy.reset(loaded);
    }

    std::size_t observation_size() const { return fpo_policy_observation_size(policy.get()); }
    std::size_t noise_size() const { return fpo_policy_noise_size(policy.get()); }
    std::size_t action_size() const { return fpo_policy_action_size(policy.get()); }

    // Actions for observations after each other; without noise, the deterministic ones.
    std::vector<float> act(const std::vector<float> &observations,
                           const std::vector<float> &noise = {}) const {
        std::vector<float> actions(observations.size() / observation_size() * action_size());
        check(fpo_policy_act(policy.get(), observations.data(), observations.size(),
                             noise.empty() ? nullptr : noise.data(), noise.size(),
                             actions.data(), actions.size()));
        return actions;
    }

private:
    struct Free {
        void operator()(fpo_policy *policy) const { fpo_policy_free(policy); }
    };
    std::unique_ptr<fpo_policy, Free> policy;

    static void check(fpo_status status) {
        if (status != FPO_STATUS_OK) {
            throw std::runtime_error(fpo_last_error());
        }
    }
};

int main(int argc, char **argv) {
    const bool with_noise = argc == 3 && std::string(argv[2]) == "--noise";
    if (argc != 2 && !with_noise) {
        std::cerr << "usage: act POLICY [--noise] < observations.txt\n";
        return 2;
    }
    try {
        const Policy policy(argv[1], 1024);
        const std::vector<float> numbers{std::istream_iterator<float>(std::cin), {}};
        const std::size_t noise_size = with_noise ? policy.noise_size() : 0;
        const std::size_t width = policy.observation_size() + noise_size;
        if (numbers.size() % width != 0 || !std::cin.eof()) {
            throw std::runtime_error("the input is not whole lines of numbers");
        }
        if (numbers.empty()) {
            return 0;
        }
        std::vector<float> observations, noise;
        for (auto row = numbers.begin(); row != numbers.end(); row += width) {
            const auto middle = row + policy.observation_size();
            observations.insert(observations.end(), row, middle);
            noise.insert(noise.end(), middle, row + width);
        }
        const std::vector<float> actions = policy.act(observations, noise);
        std::cout << std::setprecision(9);
        for (std::size_t i = 0; i < actions.size(); i++) {
            std::cout << actions[i] << ((i + 1) % policy.action_size() ? ' ' : '\n');
        }
    } catch (const std::exception &error) {
        std::cerr << "error: " << error.what() << '\n';
        return 1;
    }
    return 0;
}

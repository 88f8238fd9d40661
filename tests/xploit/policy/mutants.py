"""Policies that are wrong in one way each; ``RowByRow`` is the one that is right."""

import torch

from hsuanwu.xploit.policy import FeedForwardPolicy, LstmPolicy, PolicyUnroll


class RowByRow(LstmPolicy):
    """The definition: one row after the other, the state of an environment reset before its first row."""

    def unroll(self, observation, is_first, last_action, last_reward, state):
        outputs = []
        state = self.before(state)
        for t in range(is_first.shape[0]):
            row = observation[t], is_first[t], last_action[t], last_reward[t]
            output, state = self.consume(row, state)
            outputs.append(output)
        hidden = torch.stack(outputs)
        return PolicyUnroll(self.actor(hidden), self.critic(hidden).squeeze(-1))

    def consume(self, row, state):
        return self.core_row(row, self.reset(state, row[1]))

    def core_row(self, row, state):
        observation, *led_here = row
        output, state = self._run(self._core_input(self.encoder(observation), *led_here).unsqueeze(0), state)
        return output[0], state

    def before(self, state):
        return state

    def reset(self, state, is_first):
        return tuple(x * ~is_first.unsqueeze(-1) for x in state)


class ResetsLate(RowByRow):
    def consume(self, row, state):
        output, state = self.core_row(row, state)
        return output, self.reset(state, row[1])


class NeverResets(RowByRow):
    def reset(self, state, is_first):
        return state


class ResetsAll(RowByRow):
    def reset(self, state, is_first):
        return super().reset(state, is_first.any().expand_as(is_first))


class ResetsHiddenOnly(RowByRow):
    def reset(self, state, is_first):
        return super().reset(state, is_first)[0], state[1]


class ForgetsInitState(RowByRow):
    def before(self, state):
        return tuple(torch.zeros_like(x) for x in state)


class SwapsState(RowByRow):
    def before(self, state):
        return state[1], state[0]


class ResetsRowZeroOnly(RowByRow):
    def unroll(self, observation, is_first, last_action, last_reward, state):
        only = torch.cat([is_first[:1], torch.zeros_like(is_first[1:])])
        return super().unroll(observation, only, last_action, last_reward, state)


class ForgetsLastAction(RowByRow):
    def core_row(self, row, state):
        return super().core_row((row[0], row[1], row[2] * 0, row[3]), state)


class SeesLastActionAtFirst(LstmPolicy):
    def _core_input(self, features, is_first, last_action, last_reward):
        return super()._core_input(features, torch.zeros_like(is_first), last_action, last_reward)


class ActsWithoutReset(LstmPolicy):
    def step_params(self, observation, is_first, last_action, last_reward, state):
        fresh = self.init_state(len(is_first))
        params, _ = super().step_params(observation, is_first, last_action, last_reward, fresh)
        return params, super().step_params(observation, ~is_first, last_action, last_reward, state)[1]


class KeepsState(LstmPolicy):
    def act(self, observation, is_first, last_action, last_reward, state, *rest):
        return super().act(observation, is_first, last_action, last_reward, state, *rest)._replace(state=state)


class DrawsTwice(LstmPolicy):
    def act(self, *arguments):
        step = super().act(*arguments)
        return step._replace(log_prob=step.log_prob + 0.1)


class MixesEnvironments(FeedForwardPolicy):
    def unroll(self, *arguments):
        params, values = super().unroll(*arguments)
        return PolicyUnroll(params, values + params.mean((1, 2)).unsqueeze(1))


class SwapsTimeAndEnvironments(FeedForwardPolicy):
    def unroll(self, *arguments):
        params, values = super().unroll(*arguments)
        return PolicyUnroll(params.transpose(0, 1).reshape_as(params), values)


class ValueOfTheRowBefore(FeedForwardPolicy):
    def unroll(self, *arguments):
        params, values = super().unroll(*arguments)
        return PolicyUnroll(params, torch.cat([values[:1], values[:-1]]))


class DetachesCritic(FeedForwardPolicy):
    def unroll(self, *arguments):
        params, values = super().unroll(*arguments)
        return PolicyUnroll(params, values.detach())


MUTANTS = {
    ResetsLate: "unroll gives other params than step_params",
    NeverResets: "unroll gives other params than step_params",
    ResetsAll: "unroll gives other params than step_params",
    ResetsHiddenOnly: "unroll gives other params than step_params",
    ForgetsInitState: "unroll gives other params than step_params",
    SwapsState: "unroll gives other params than step_params",
    ResetsRowZeroOnly: "unroll gives other params than step_params",
    ForgetsLastAction: "unroll gives other params than step_params",
    SeesLastActionAtFirst: "something from before an episode is seen",
    ActsWithoutReset: "unroll gives other params than step_params",
    KeepsState: "act does not go on with the state after the row",
    DrawsTwice: "log_prob is that of another action",
    MixesEnvironments: "another value for the row alone|environments see each other",
    SwapsTimeAndEnvironments: "unroll gives other params than step_params",
    ValueOfTheRowBefore: "another value for the row alone",
    DetachesCritic: "critic.weight has no gradient",
}
"""What each is caught by."""

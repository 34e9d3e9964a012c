namespace tgenn
{
//! What a spike of each step stands for in a rate code
inline Floats rate_weights(unsigned int timesteps)
{
    return Floats(timesteps, 1.0f);
}

//! The same in the few-spike code: 2^(timesteps - 1 - step)
inline Floats few_spike_weights(unsigned int timesteps)
{
    Floats weights;
    for(unsigned int step = 0; step < timesteps; step++) {
        weights.push_back(std::ldexp(1.0f, static_cast<int>(timesteps - 1 - step)));
    }
    return weights;
}

//! scale, one number or one a channel, x the value read / the weights of the steps from `start` on
inline Floats mean_per_step(Floats read, const Floats &scale, unsigned int start, const Floats &weights)
{
    const float steps = std::max(1.0f, std::accumulate(weights.cbegin() + start, weights.cend(), 0.0f));
    for(size_t i = 0; i < read.size(); i++) {
        read[i] = read[i] * scale[i % scale.size()] / steps;
    }
    return read;
}

inline Floats mean_per_step(const Floats &read, double scale, unsigned int start, const Floats &weights)
{
    return mean_per_step(read, Floats{static_cast<float>(scale)}, start, weights);
}

//! 1 / the number of the step with the first spike: 1 for the first step, 0 for no spike
template<typename Scale>
Floats earliest(Floats read, const Scale&, unsigned int, const Floats&)
{
    for(float &value : read) {
        value = (value > 0.0f) ? 1.0f / value : 0.0f;
    }
    return read;
}
}

namespace tgenn
{
//! A bijection of 32-bit numbers in which each bit changes half of the result's: lowbias32 (Wellons 2018)
inline uint32_t mixed(uint32_t h)
{
    h = (h ^ (h >> 16)) * 0x7feb352du;
    h = (h ^ (h >> 15)) * 0x846ca68bu;
    return h ^ (h >> 16);
}

//! The key of an example's random numbers. stream: the place of the population in the network
inline uint32_t random_key(uint32_t seed, uint32_t stream, uint32_t example)
{
    return mixed(mixed(mixed(seed) + stream) + example);
}
}

namespace tgenn
{
using Floats = std::vector<float>;
using Doubles = std::vector<double>;

// The weights that synapses share: products in double, which are rounded to float once, for GeNN.

//! A kernel of one weight, which all synapses have
inline Doubles constant(double weight)
{
    return Doubles{weight};
}

//! The product of each weight of the first kernel with each of the second
template<typename First, typename Second>
Doubles outer(const First &first, const Second &second)
{
    Doubles product;
    product.reserve(first.size() * second.size());
    for(const double a : first) {
        for(const double b : second) {
            product.push_back(a * b);
        }
    }
    return product;
}

//! All weights times a number
template<typename Kernel>
Doubles scaled(double factor, const Kernel &kernel)
{
    return outer(constant(factor), kernel);
}

//! The weights of pooling windows by what they hold: 1 / (r c) for r rows, c columns
inline Doubles window_means(int rows, int columns)
{
    Doubles means;
    for(int r = 1; r <= rows; r++) {
        for(int c = 1; c <= columns; c++) {
            means.push_back(1.0 / (r * c));
        }
    }
    return means;
}

//! 1, base, base^2 ...
inline Doubles powers(double base, int count)
{
    Doubles powers;
    for(int exponent = 0; exponent < count; exponent++) {
        powers.push_back(std::pow(base, exponent));
    }
    return powers;
}
}
